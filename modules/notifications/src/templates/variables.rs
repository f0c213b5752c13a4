//! What templates can say: the variables, what each means, and made-up ones to try templates with.
//!
//! Every variable is always there: a text that does not apply is empty, and so is a list.

use serde::Serialize;

/// Everything that a template can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Variables {
    pub(crate) order: Order,
    pub(crate) event: Event,
    pub(crate) buyer: Buyer,
    pub(crate) organizer: Organizer,
    pub(crate) positions: Vec<PositionLine>,
    pub(crate) tickets: Vec<TicketEntry>,
    pub(crate) amount: String,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Order {
    pub(crate) code: String,
    pub(crate) secret: String,
    pub(crate) total: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) starts_at: String,
    pub(crate) venue: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Buyer {
    pub(crate) name: String,
    pub(crate) is_guest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Organizer {
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct PositionLine {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) seat: String,
    pub(crate) price: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct TicketEntry {
    pub(crate) label: String,
    pub(crate) code: String,
}

/// What each variable means. Elements of a list are reached by a loop over it.
pub(crate) const VARIABLES: [(&str, &str); 18] = [
    ("order.code", "The order's code, which people read to each other."),
    ("order.secret", "What opens the order beside its code, for who bought without an account."),
    ("order.total", "What the order cost, with its currency: 50.00 EUR."),
    ("event.name", "The event's name."),
    ("event.starts_at", "When it begins, by the clocks of the venue, with their zone."),
    ("event.venue", "The venue's name."),
    (
        "buyer.name",
        "How the buyer wants to be called; empty when that looks like an address of the web, which \
         a stranger could advertise.",
    ),
    ("buyer.is_guest", "Whether the buyer has no account."),
    ("organizer.name", "The name that stands beside the sender's address."),
    ("positions.number", "For each ticket the mail is about: its number in the order, from 1."),
    ("positions.name", "Its ticket type."),
    ("positions.seat", "Its seat; empty in general admission."),
    ("positions.price", "What it cost, with its currency."),
    ("tickets.label", "For each ticket that lets somebody in: its type, and its seat."),
    ("tickets.code", "What its QR code says. A secret: whoever has it gets in."),
    ("amount", "The money that goes back, with its currency; empty when it is not about that."),
    ("reason", "Why, in the words of whoever did it; may be empty."),
    ("loop.index", "In a loop: which round it is, from 1; loop.first and loop.last tell its ends."),
];

impl Variables {
    /// A made-up order that has everything.
    pub(crate) fn sample() -> Self {
        let position = |number: u32| PositionLine {
            number,
            name: "Stalls".to_owned(),
            seat: format!("Stalls, row A, seat {number}"),
            price: "25.00 EUR".to_owned(),
        };
        let ticket = |number: u32| TicketEntry {
            label: format!("Stalls, row A, seat {number}"),
            code: format!("BX1.SAMPLE-{number}"),
        };
        Self {
            order: Order {
                code: "K7MPX2QA".to_owned(),
                secret: "a-sample-secret".to_owned(),
                total: "50.00 EUR".to_owned(),
            },
            event: Event {
                name: "Quartet & friends <by the river>".to_owned(),
                starts_at: "Friday, 18 June 2027, 20:00 (CEST)".to_owned(),
                venue: "Boathouse".to_owned(),
            },
            buyer: Buyer { name: "Cara O'Brien".to_owned(), is_guest: true },
            organizer: Organizer { name: "Riverside Concerts".to_owned() },
            positions: vec![position(1), position(2)],
            tickets: vec![ticket(1), ticket(2)],
            amount: "25.00 EUR".to_owned(),
            reason: "The seat is broken.".to_owned(),
        }
    }

    /// A made-up order that has hardly anything.
    pub(crate) fn sparse_sample() -> Self {
        Self {
            order: Order { secret: String::new(), ..Self::sample().order },
            event: Event { name: "Quartet".to_owned(), ..Event::default() },
            buyer: Buyer { name: "Dan".to_owned(), is_guest: false },
            organizer: Self::sample().organizer,
            positions: Vec::new(),
            tickets: Vec::new(),
            amount: String::new(),
            reason: String::new(),
        }
    }

    /// What there is and of which kind: an object, a list of what its first element is like, a text,
    /// a number, a truth value.
    pub(super) fn shape(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn paths(prefix: &str, shape: &Value, found: &mut Vec<String>) {
        match shape {
            Value::Object(fields) => {
                for (name, inner) in fields {
                    let path =
                        if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    paths(&path, inner, found);
                }
            }
            Value::Array(elements) => paths(prefix, &elements[0], found),
            _ => found.push(prefix.to_owned()),
        }
    }

    #[test]
    fn every_variable_is_documented_and_nothing_else() {
        let mut found = Vec::new();
        paths("", &Variables::sample().shape(), &mut found);
        found.sort();
        let mut documented: Vec<String> = VARIABLES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| !name.starts_with("loop."))
            .collect();
        documented.sort();
        assert_eq!(found, documented);
    }
}
