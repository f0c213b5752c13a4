//! Tickets on paper: a PDF document with one page a ticket.
//!
//! The font that is embedded is `DejaVu Sans` (`fonts/`, with its licence). It has Latin, Greek,
//! Cyrillic, Arabic and some more; a letter that it has not is printed as a box, and the code beside it
//! is good all the same.

use std::sync::LazyLock;

use jiff::tz::TimeZoneDatabase;
use krilla::{
    Document,
    geom::{Path, PathBuilder, Point, Rect},
    metadata::Metadata,
    page::PageSettings,
    paint::Fill,
    surface::Surface,
    text::{Font, TextDirection},
};
use runtime::Timestamp;
use uuid::Uuid;

use crate::qr::{self, QrFault};

/// A4, in points.
const PAGE: (f32, f32) = (595.0, 842.0);
const MARGIN: f32 = 56.0;
/// How wide the QR code is, in points: some 7.5 cm, which a telephone reads at arm's length.
const CODE_SIDE: f32 = 212.0;
/// How wide a letter is at most on average, in parts of its height.
const LETTER_WIDTH: f32 = 0.62;
/// No text goes over more lines than this.
const MOST_LINES: usize = 4;

static FONT: LazyLock<Option<Font>> = LazyLock::new(|| {
    let data: &'static [u8] = include_bytes!("../fonts/DejaVuSans.ttf");
    Font::new(data.into(), 0)
});

/// What is printed on one page.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    pub(crate) event_name: String,
    pub(crate) venue_name: String,
    pub(crate) starts_at: Timestamp,
    /// The IANA name of the venue's time zone.
    pub(crate) time_zone: String,
    pub(crate) ticket_type_name: String,
    pub(crate) seat: Option<String>,
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
    #[error("printing did not come to an end")]
    Broken(#[from] tokio::task::JoinError),
}

/// A PDF document with these pages. It takes a core for some milliseconds, away from those who serve
/// requests.
pub(crate) async fn print(sheets: Vec<Sheet>) -> Result<Vec<u8>, PaperFault> {
    tokio::task::spawn_blocking(move || document(&sheets)).await?
}

fn document(sheets: &[Sheet]) -> Result<Vec<u8>, PaperFault> {
    let font = FONT.as_ref().ok_or(PaperFault::Font)?;
    let settings = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or(PaperFault::Layout)?;
    let mut document = Document::new();
    let title = sheets.first().map(|sheet| printable(&sheet.event_name)).unwrap_or_default();
    document.set_metadata(Metadata::new().title(title).creator("Boxoffice".to_owned()));
    for sheet in sheets {
        let code = code_path(&sheet.code)?;
        let mut page = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        surface.set_fill(Some(Fill::default()));
        write(&mut surface, font, sheet);
        surface.draw_path(&code);
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| PaperFault::Document(format!("{error:?}")))
}

/// The words of a page, from the top.
fn write(surface: &mut Surface<'_>, font: &Font, sheet: &Sheet) {
    let mut top = MARGIN;
    let mut line = |size: f32, gap: f32, text: &str| {
        top += gap;
        for part in wrapped(text, size) {
            top += size * 1.3;
            let start = Point::from_xy(MARGIN, top);
            surface.draw_text(start, font.clone(), size, &part, false, TextDirection::Auto);
        }
    };
    line(26.0, 0.0, &sheet.event_name);
    line(14.0, 14.0, &local(sheet.starts_at, &sheet.time_zone));
    line(14.0, 2.0, &sheet.venue_name);
    line(18.0, 22.0, &sheet.ticket_type_name);
    if let Some(seat) = &sheet.seat {
        line(18.0, 2.0, seat);
    }
    let below = PAGE.1 - MARGIN;
    let small = [
        (below - 12.0, "The code lets one person in, once. Keep it to yourself.".to_owned()),
        (below, format!("Ticket {}", sheet.ticket_id)),
    ];
    for (baseline, text) in small {
        let start = Point::from_xy(MARGIN, baseline);
        surface.draw_text(start, font.clone(), 8.0, &text, false, TextDirection::LeftToRight);
    }
}

/// The code as one shape above the small print.
fn code_path(code: &str) -> Result<Path, PaperFault> {
    let (stretches, width) = qr::stretches(code)?;
    let module = CODE_SIDE / points(width);
    let (left, top) = (MARGIN, PAGE.1 - MARGIN - 40.0 - CODE_SIDE);
    let mut path = PathBuilder::new();
    for stretch in stretches {
        let rect = Rect::from_xywh(
            left + points(stretch.column) * module,
            top + points(stretch.row) * module,
            points(stretch.length) * module,
            module,
        );
        path.push_rect(rect.ok_or(PaperFault::Layout)?);
    }
    path.finish().ok_or(PaperFault::Layout)
}

/// Modules of a code, of which there are fewer than 200 in a row.
fn points(modules: usize) -> f32 {
    u16::try_from(modules).map_or(0.0, f32::from)
}

/// The instant by the venue's clock, with the weekday.
fn local(instant: Timestamp, time_zone: &str) -> String {
    let zone = TimeZoneDatabase::bundled().get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    instant.to_zoned(zone).strftime("%A, %-d %B %Y, %H:%M (%Z)").to_string()
}

/// The text in lines that fit on the page, broken between words where there are any.
fn wrapped(text: &str, size: f32) -> Vec<String> {
    let fitting = (PAGE.0 - 2.0 * MARGIN) / (size * LETTER_WIDTH);
    let most = (1..=200_u16).take_while(|letters| f32::from(*letters) <= fitting).count().max(1);
    let mut lines = vec![String::new()];
    for word in printable(text).split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for (part, piece) in letters.chunks(most).enumerate() {
            let length = lines.last().map_or(0, |line| line.chars().count());
            let is_first_word = length == 0;
            if !is_first_word && (part > 0 || length + 1 + piece.len() > most) {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.extend(piece);
            }
        }
    }
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        if let Some(last) = lines.last_mut() {
            last.push('…');
        }
    }
    lines
}

/// Without what has no shape of its own, and with nothing that turns the writing round.
fn printable(text: &str) -> String {
    let shape = |letter: char| match letter {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        letter if letter.is_control() => Some(' '),
        letter => Some(letter),
    };
    text.chars().filter_map(shape).collect()
}

#[cfg(test)]
mod tests;
