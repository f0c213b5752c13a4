//! How mail leaves: to a mail server, into a directory, or nowhere. What a mail says is decided
//! elsewhere.
//!
//! Why something was not sent is said in our own words: mail servers quote addresses, and what is
//! said here is kept and shown.

mod file;
mod log;
mod smtp;

use std::{path::Path, sync::Arc, time::SystemTime};

use lettre::{
    Address, Message,
    message::{Attachment, Mailbox, MultiPart, SinglePart, header},
};
use runtime::{StartError, Timestamp, async_trait};
use uuid::Uuid;

use self::{file::FileTransport, log::LogTransport, smtp::SmtpTransport};
use crate::{
    settings::{NotificationsSettings, TransportName},
    templates::Rendered,
};

/// Sends letters.
#[async_trait]
pub(crate) trait Transport: Send + Sync + 'static {
    /// Sends one. It has left when this returns: the server has said that it took it, or it lies on
    /// the disk.
    async fn send(&self, letter: &Letter) -> Result<(), Undelivered>;
}

/// Why a letter did not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undelivered {
    /// Why, without anything about a person.
    pub(crate) reason: String,
    /// Whether trying again is of no use.
    pub(crate) for_good: bool,
}

impl Undelivered {
    pub(crate) fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), for_good: false }
    }

    pub(crate) fn for_good(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), for_good: true }
    }
}

/// A mail that is ready to leave.
pub(crate) struct Letter {
    /// What names it: the same each time it is tried.
    name: String,
    message: Message,
}

/// What a letter is made of.
pub(crate) struct Contents<'a> {
    /// The notification it is.
    pub(crate) mail_id: Uuid,
    /// Which copy of it.
    pub(crate) copy: u32,
    pub(crate) sender: &'a Sender,
    /// The name beside the sender's address.
    pub(crate) sender_name: &'a str,
    /// Where it goes.
    pub(crate) to: &'a str,
    /// How the person wants to be called.
    pub(crate) to_name: &'a str,
    pub(crate) words: Rendered,
    /// A PDF document to go with it.
    pub(crate) tickets: Option<Vec<u8>>,
    /// The order's code, for the document's name.
    pub(crate) order_code: &'a str,
    pub(crate) at: Timestamp,
}

/// Where mail comes from.
#[derive(Debug, Clone)]
pub(crate) struct Sender(Address);

impl Letter {
    /// Puts a letter into its envelope. Fails when the receiver's address is none.
    pub(crate) fn write(contents: Contents<'_>) -> Result<Self, Undelivered> {
        let Contents { mail_id, copy, sender, words, at, .. } = contents;
        let to: Address = contents
            .to
            .parse()
            .map_err(|_| Undelivered::for_good("the buyer's address is no e-mail address"))?;
        let name = format!("{mail_id}.{copy}");
        let from = Mailbox::new(named(contents.sender_name), sender.0.clone());
        let date = SystemTime::from(at);
        let builder = Message::builder()
            .message_id(Some(format!("<{name}@{}>", sender.0.domain())))
            .date(date)
            .from(from)
            .to(Mailbox::new(named(contents.to_name), to))
            .subject(words.subject)
            .header(AutoSubmitted);
        let body = MultiPart::alternative_plain_html(words.text, words.html);
        let message = match contents.tickets {
            None => builder.multipart(body),
            Some(pdf) => {
                let file = format!("tickets-{}.pdf", contents.order_code);
                let kind = header::ContentType::parse("application/pdf");
                let kind = kind.unwrap_or(header::ContentType::TEXT_PLAIN);
                let attachment: SinglePart = Attachment::new(file).body(pdf, kind);
                builder.multipart(MultiPart::mixed().multipart(body).singlepart(attachment))
            }
        };
        let message = message.map_err(|error| {
            Undelivered::for_good(format!("no mail can be made of it: {error}"))
        })?;
        Ok(Self { name, message })
    }
}

fn named(name: &str) -> Option<String> {
    let plain: String = name.chars().filter(|it| !it.is_control()).collect();
    (!plain.trim().is_empty()).then_some(plain)
}

/// Tells other programs not to answer (RFC 3834).
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_value: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The sender and the transport that the settings name.
pub(crate) async fn open(
    settings: &NotificationsSettings,
    data_dir: &Path,
) -> Result<(Sender, Arc<dyn Transport>), StartError> {
    let address = settings.from.parse();
    let address = address.map_err(|error| StartError::because("notifications.from", error))?;
    let transport: Arc<dyn Transport> = match settings.transport {
        TransportName::File => {
            let directory = settings.directory.clone().unwrap_or_else(|| data_dir.join("mail"));
            Arc::new(FileTransport::open(directory).await?)
        }
        TransportName::Smtp => Arc::new(SmtpTransport::open(&settings.smtp).await?),
        TransportName::Log => Arc::new(LogTransport),
    };
    Ok((Sender(address), transport))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letter(to: &str, sender_name: &str) -> Result<String, Undelivered> {
        let sender = Sender("tickets@example.org".parse().expect("it is one"));
        let words = Rendered {
            subject: "Für Sie".to_owned(),
            text: "Hello".to_owned(),
            html: "<p>Hello</p>".to_owned(),
        };
        let letter = Letter::write(Contents {
            mail_id: Uuid::from_u128(7),
            copy: 2,
            sender: &sender,
            sender_name,
            to,
            to_name: "Cara \"C\" O'Brien\r\nBcc: x@example.org",
            words,
            tickets: Some(b"%PDF-1.7".to_vec()),
            order_code: "K7MPX2QA",
            at: Timestamp::from_second(1_800_000_000).expect("in range"),
        })?;
        Ok(String::from_utf8(letter.message.formatted()).expect("it is text"))
    }

    #[test]
    fn a_letter_has_a_name_that_is_the_same_at_each_attempt() {
        let written = letter("cara@example.org", "Riverside").expect("it is written");
        let name = "Message-ID: <00000000-0000-0000-0000-000000000007.2@example.org>";
        assert!(written.contains(name), "{written}");
        assert!(written.contains("Date: Fri, 15 Jan 2027 08:00:00 +0000"), "{written}");
        assert!(written.contains("Auto-Submitted: auto-generated"), "{written}");
        assert!(written.contains("filename=\"tickets-K7MPX2QA.pdf\""), "{written}");
        assert!(written.contains("From: Riverside <tickets@example.org>"), "{written}");
    }

    #[test]
    fn a_name_cannot_add_a_header() {
        let written = letter("cara@example.org", "A\r\nBcc: y@example.org").expect("it is written");
        assert!(!written.lines().any(|line| line.starts_with("Bcc")), "{written}");
    }

    #[test]
    fn what_is_no_address_is_undeliverable_for_good_and_not_quoted() {
        let refused = letter("cara at example.org", "").expect_err("it is none");
        assert!(refused.for_good && !refused.reason.contains("cara"), "{refused:?}");
    }

    #[test]
    fn addresses_that_no_letter_can_be_written_to_are_refused_where_they_are_given() {
        for bad in ["a..b@example.org", ".a@example.org", "a.@example.org", "a@[127.0.0.1]"] {
            assert!(edge::text::email(bad, &()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_as_an_address_can_be_written_to(
            local in "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~\"-]{1,70}|[a-z.]{1,8}",
            domain in "[a-zA-Z0-9-]{1,64}(\\.[a-zA-Z0-9-]{1,64}){0,4}|\\[?[0-9.:a-f]{1,20}\\]?|\\PC{1,10}",
        ) {
            let address = format!("{local}@{domain}");
            if address.len() <= 254 && edge::text::email(&address, &()).is_ok() {
                prop_assert!(letter(&address, "Riverside").is_ok(), "{address}");
            }
        }
    }
}
