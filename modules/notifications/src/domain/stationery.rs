//! The words in which an organizer writes: the name beside the sender's address, and the templates
//! that differ from the built-in ones. One for each organizer, under the organizer's id.

use std::{collections::BTreeMap, convert::Infallible};

use serde::{Deserialize, Serialize};
use store::Aggregate;

use super::notice::Kind;
use crate::templates::Template;

/// An organizer's words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Stationery {
    /// Beside the sender's address; the installation's name when absent.
    pub(crate) sender_name: Option<String>,
    /// The templates that are the organizer's own.
    pub(crate) templates: BTreeMap<Kind, Template>,
}

/// What can be asked of it. Templates were validated before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    ChangeTemplate {
        kind: Kind,
        template: Template,
    },
    /// Back to the built-in words.
    ResetTemplate {
        kind: Kind,
    },
    /// `None`: back to the installation's.
    NameSender {
        name: Option<String>,
    },
}

/// What happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    TemplateChanged { kind: Kind, template: Template },
    TemplateReset { kind: Kind },
    SenderNamed { name: Option<String> },
}

impl Aggregate for Stationery {
    const NAME: &'static str = "stationery";

    type Command = Command;
    type Event = Event;
    type Rejection = Infallible;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Infallible> {
        let event = match command {
            Command::ChangeTemplate { kind, template } => (self.templates.get(&kind)
                != Some(&template))
            .then_some(Event::TemplateChanged { kind, template }),
            Command::ResetTemplate { kind } => {
                self.templates.contains_key(&kind).then_some(Event::TemplateReset { kind })
            }
            Command::NameSender { name } => {
                (self.sender_name != name).then_some(Event::SenderNamed { name })
            }
        };
        Ok(event.into_iter().collect())
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::TemplateChanged { kind, template } => {
                self.templates.insert(*kind, template.clone());
            }
            Event::TemplateReset { kind } => drop(self.templates.remove(kind)),
            Event::SenderNamed { name } => self.sender_name.clone_from(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(subject: &str) -> Template {
        let (text, html) = ("Hello".to_owned(), "<p>Hello</p>".to_owned());
        Template { subject: subject.to_owned(), text, html }
    }

    fn after(commands: impl IntoIterator<Item = Command>) -> Stationery {
        let mut stationery = Stationery::default();
        for command in commands {
            let Ok(events) = stationery.decide(command);
            for event in &events {
                stationery.evolve(event);
            }
        }
        stationery
    }

    #[test]
    fn a_template_is_the_organizers_until_it_is_reset() {
        let kind = Kind::Refund;
        let change = Command::ChangeTemplate { kind, template: template("Your money") };
        assert_eq!(after([change.clone()]).templates[&kind], template("Your money"));
        assert!(after([change, Command::ResetTemplate { kind }]).templates.is_empty());
    }

    #[test]
    fn what_changes_nothing_is_no_event() {
        let kind = Kind::Refund;
        let change = Command::ChangeTemplate { kind, template: template("Your money") };
        assert_eq!(after([change.clone()]).decide(change), Ok(Vec::new()));
        assert_eq!(after([]).decide(Command::ResetTemplate { kind }), Ok(Vec::new()));
        assert_eq!(after([]).decide(Command::NameSender { name: None }), Ok(Vec::new()));
    }

    /// Never change these: they are what older builds have written.
    #[test]
    fn events_of_every_build_are_understood() {
        let golden = [
            json!({
                "type": "template_changed",
                "kind": "order_confirmation",
                "template": {"subject": "s", "text": "t", "html": "h"},
            }),
            json!({"type": "template_reset", "kind": "late_payment"}),
            json!({"type": "sender_named", "name": "Riverside Concerts"}),
            json!({"type": "sender_named", "name": null}),
        ];
        for sample in golden {
            let event: Event = serde_json::from_value(sample.clone()).expect("understood");
            assert_eq!(serde_json::to_value(event).expect("written"), sample);
        }
    }
}
