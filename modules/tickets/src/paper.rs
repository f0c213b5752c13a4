//! Tickets on paper: a PDF document with one page a ticket.

mod page;
mod text;

use contracts::seating::Seat;
use krilla::{Document, SerializeSettings, metadata::Metadata, page::PageSettings};
use runtime::Timestamp;
use uuid::Uuid;

use self::{page::PAGE, text::Typeface};
use crate::qr::QrFault;

/// What is printed on one page.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    pub(crate) event_name: String,
    pub(crate) venue_name: String,
    pub(crate) starts_at: Timestamp,
    /// The IANA name of the venue's time zone.
    pub(crate) time_zone: String,
    pub(crate) ticket_type_name: String,
    pub(crate) seat: Option<Seat>,
    pub(crate) ticket_id: Uuid,
    pub(crate) code: String,
}

/// Why tickets could not be printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PaperFault {
    #[error("the embedded font cannot be read")]
    Font,
    #[error("a page cannot be laid out")]
    Layout,
    #[error("a code cannot be drawn")]
    Code(#[from] QrFault),
    #[error("the document cannot be written: {0}")]
    Document(String),
}

/// A PDF document with these pages. It takes a core for about a millisecond a page: not for threads that
/// serve requests.
pub(crate) fn document(sheets: &[Sheet]) -> Result<Vec<u8>, PaperFault> {
    let typeface = Typeface::embedded().ok_or(PaperFault::Font)?;
    let settings = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or(PaperFault::Layout)?;
    let mut document = Document::new_with(SerializeSettings {
        xmp_metadata: false,
        enable_tagging: false,
        ..SerializeSettings::default()
    });
    let title = sheets.first().map(|sheet| text::printable(&sheet.event_name));
    let metadata = Metadata::new().title(title.unwrap_or_default());
    document.set_metadata(metadata.creator("Boxoffice".to_owned()));
    for sheet in sheets {
        let mut page = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        page::draw(&mut surface, typeface, sheet)?;
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| PaperFault::Document(format!("{error:?}")))
}

#[cfg(test)]
mod tests;
