//! Templates of mails: the built-in ones, and how any of them becomes a mail.
//!
//! An organizer writes templates of its own, so that a template is input: it is checked as a whole
//! when it is saved (`check.rs`), and even then rendered with little fuel, into little space, and
//! with nothing at hand but the documented variables. What comes of it is looked at before it is sent
//! (`remote.rs`). Our own words have no bounds, so that there are always some.

mod check;
mod remote;
mod variables;

use std::io::{self, Write};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::variables::{
    Buyer, Event, Order, Organizer, PositionLine, TicketEntry, VARIABLES, Variables,
};
use crate::domain::notice::Kind;

/// What rendering one part of an organizer's template may cost: far more than a mail of a hundred
/// tickets takes.
const FUEL: u64 = 100_000;
/// How long one part of an organizer's template may become, in bytes.
const LONGEST_PART: usize = 256 * 1024;
/// How long a subject may become, in characters.
const LONGEST_SUBJECT: usize = 250;

/// The words of one kind of mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MailTemplate, example = json!({
    "subject": "Your tickets for {{ event.name }}",
    "text": "Hello {{ buyer.name }},\n\nyour order {{ order.code }} is paid.\n",
    "html": "<p>Hello {{ buyer.name }},</p><p>your order {{ order.code }} is paid.</p>",
}))]
pub(crate) struct Template {
    /// One line.
    pub(crate) subject: String,
    /// For programs that show plain text.
    pub(crate) text: String,
    /// For all others. Variables are escaped.
    pub(crate) html: String,
}

/// A mail's words, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The parts of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    /// As it is called in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
        }
    }

    /// Its file's name, by whose end the engine tells whether to escape.
    const fn file(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Text => "text.txt",
            Self::Html => "html.html",
        }
    }
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateFault {
    pub(crate) part: Part,
    /// The line of the part, from 1, where that is known.
    pub(crate) line: Option<usize>,
    pub(crate) what: String,
}

impl Template {
    /// The words that Boxoffice comes with.
    pub(crate) fn built_in(kind: Kind) -> Self {
        macro_rules! words {
            ($name:literal) => {
                (
                    include_str!(concat!("../templates/", $name, ".subject.txt")),
                    include_str!(concat!("../templates/", $name, ".txt")),
                    include_str!(concat!("../templates/", $name, ".html")),
                )
            };
        }
        let (subject, text, html) = match kind {
            Kind::OrderConfirmation => words!("order_confirmation"),
            Kind::OrderCancellation => words!("order_cancellation"),
            Kind::PositionsCancellation => words!("positions_cancellation"),
            Kind::EventCancellation => words!("event_cancellation"),
            Kind::Refund => words!("refund"),
            Kind::LatePayment => words!("late_payment"),
        };
        let (subject, text) = (subject.trim().to_owned(), text.to_owned());
        Self { subject, text, html: html.to_owned() }
    }

    /// Everything that is wrong with it: what it may not do or does not know, part by part, and what
    /// goes wrong when it is tried with made-up orders, one with everything and one with hardly
    /// anything.
    pub(crate) fn faults(&self) -> Vec<TemplateFault> {
        let shape = Variables::sample().shape();
        let parts = self.parts().into_iter();
        let mut faults: Vec<TemplateFault> = parts
            .flat_map(|(part, source)| {
                let found = check::faults(source, &shape);
                found.into_iter().map(move |(line, what)| TemplateFault { part, line, what })
            })
            .collect();
        if faults.is_empty() {
            for sample in [Variables::sample(), Variables::sparse_sample()] {
                faults.extend(self.render(&sample).err().unwrap_or_default());
            }
            faults.dedup();
        }
        faults
    }

    /// The mail for these variables, or what is wrong with each part. It has little to spend, and
    /// fetches nothing when it is opened.
    pub(crate) fn render(&self, variables: &Variables) -> Result<Rendered, Vec<TemplateFault>> {
        let rendered = self.render_within(Bounds::OF_ORGANIZERS, variables)?;
        match remote::fetched(&rendered.html) {
            None => Ok(rendered),
            Some(what) => {
                let what = format!(
                    "the mail would fetch something when it is opened: {what}; link to it instead"
                );
                Err(vec![TemplateFault { part: Part::Html, line: None, what }])
            }
        }
    }

    /// The mail in our own words, however large the order is.
    pub(crate) fn render_built_in(
        kind: Kind,
        variables: &Variables,
    ) -> Result<Rendered, Vec<TemplateFault>> {
        Self::built_in(kind).render_within(Bounds::NONE, variables)
    }

    fn render_within(
        &self,
        bounds: Bounds,
        variables: &Variables,
    ) -> Result<Rendered, Vec<TemplateFault>> {
        let values = Value::from(minijinja::value::Serde(variables));
        let [subject, text, html] =
            self.parts().map(|(part, source)| render_part(part, source, bounds, &values));
        match (subject, text, html) {
            (Ok(subject), Ok(text), Ok(html)) => {
                Ok(Rendered { subject: one_line(&subject), text, html })
            }
            (subject, text, html) => {
                Err([subject, text, html].into_iter().filter_map(Result::err).collect())
            }
        }
    }

    fn parts(&self) -> [(Part, &str); 3] {
        [(Part::Subject, &self.subject), (Part::Text, &self.text), (Part::Html, &self.html)]
            .map(|(part, source)| (part, source.as_str()))
    }
}

/// What rendering a part may take.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// In steps of the engine.
    fuel: Option<u64>,
    /// In bytes.
    longest_part: usize,
}

impl Bounds {
    const OF_ORGANIZERS: Self = Self { fuel: Some(FUEL), longest_part: LONGEST_PART };
    /// Our own words are as long as the order is, which is bounded where orders are placed.
    const NONE: Self = Self { fuel: None, longest_part: usize::MAX };
}

fn render_part(
    part: Part,
    source: &str,
    bounds: Bounds,
    values: &Value,
) -> Result<String, TemplateFault> {
    let fault = |error: &minijinja::Error| TemplateFault {
        part,
        line: error.line(),
        what: check::words_of(error),
    };
    let environment = environment(bounds.fuel);
    let template =
        environment.template_from_named_str(part.file(), source).map_err(|error| fault(&error))?;
    let mut page = Page { text: Vec::new(), longest: bounds.longest_part };
    match template.render_captured_to(values.clone(), &mut page) {
        Ok(_) => Ok(String::from_utf8(page.text).unwrap_or_default()),
        Err(error) => Err(fault(&error)),
    }
}

/// An engine that has nothing but the three filters that templates may use.
fn environment(fuel: Option<u64>) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(fuel);
    environment.set_auto_escape_callback(|name| {
        if name == Part::Html.file() { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("upper", |text: String| text.to_uppercase());
    environment.add_filter("lower", |text: String| text.to_lowercase());
    environment.add_filter("length", |list: Value| list.len().unwrap_or_default());
    environment
}

/// A header has one line, and nothing that could begin another.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|it: char| it.is_whitespace() || it.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(LONGEST_SUBJECT).collect()
}

/// As much as a part may become.
struct Page {
    text: Vec<u8>,
    longest: usize,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.longest {
            return Err(io::Error::other("the mail becomes too long"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
