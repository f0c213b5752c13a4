//! What brokers did not take. They refuse messages together with others, so what they refused is
//! sent again one by one to find out which it is.

use std::{collections::BTreeSet, ops::Range};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use store::Position;

use crate::Page;

/// What a relay knows of refusals, as long as it publishes from where it stopped.
#[derive(Default)]
pub(super) struct Refusals {
    /// From where to where events are sent one by one.
    alone: Range<Position>,
    /// The events that brokers do not take even so, since they are too large.
    too_large: BTreeSet<Position>,
}

impl Refusals {
    /// Whether what comes after this place is sent one by one.
    pub(super) fn is_alone(&self, after: Position) -> bool {
        self.alone.contains(&after)
    }

    /// Whether brokers have refused the event there for its size.
    pub(super) fn is_too_large(&self, position: Position) -> bool {
        self.too_large.contains(&position)
    }

    /// Takes in that brokers did not take a page, or something in it. Publishing begins again at
    /// `stored`.
    pub(super) fn learn(&mut self, stored: Position, page: &Page, error: &KafkaError) {
        match page.entries.as_slice() {
            [alone] if is_about_size(error) => {
                self.too_large.insert(alone.position);
            }
            [_] => {}
            _ => self.alone = stored..page.reached,
        }
    }
}

/// Whether brokers, or the producer, say that something is too large.
pub(super) fn is_about_size(error: &KafkaError) -> bool {
    let about_size =
        [RDKafkaErrorCode::MessageSizeTooLarge, RDKafkaErrorCode::MessageBatchTooLarge];
    error.rdkafka_error_code().is_some_and(|code| about_size.contains(&code))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::{Entry, Envelope};

    const TOO_LARGE: KafkaError =
        KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);

    fn at(seq: i64) -> Position {
        Position { txn: 0, seq }
    }

    /// The events after `after` up to `reached`.
    fn page(after: i64, reached: i64) -> Page {
        let envelope = Envelope {
            id: Uuid::nil(),
            event_type: "sales.sale_made".to_owned(),
            schema_version: 1,
            key: Uuid::nil(),
            time: "2026-11-20T19:00:00Z".parse().unwrap(),
            correlation_id: String::new(),
            causation_id: None,
            traceparent: String::new(),
            payload: Value::Null,
            fault: None,
        };
        let entry = |seq| Entry { position: at(seq), envelope: envelope.clone() };
        let entries = (after + 1..=reached).map(entry).collect();
        Page { entries, reached: at(reached), behind: 0 }
    }

    #[test]
    fn what_was_refused_is_sent_one_by_one_and_nothing_else_is() {
        let mut refusals = Refusals::default();
        assert!(!refusals.is_alone(Position::START));
        refusals.learn(at(990), &page(1_000, 1_500), &TOO_LARGE);
        let is_alone = |seq| refusals.is_alone(at(seq));
        assert_eq!([989, 990, 1_499, 1_500].map(is_alone), [false, true, true, false]);
        assert!(!refusals.is_alone(Position::START), "published again from the beginning");
    }

    #[test]
    fn what_is_refused_for_its_size_when_it_is_alone_is_too_large() {
        let mut refusals = Refusals::default();
        refusals.learn(at(0), &page(0, 3), &TOO_LARGE);
        assert!(!refusals.is_too_large(at(2)));
        let not_allowed = RDKafkaErrorCode::TopicAuthorizationFailed;
        refusals.learn(at(1), &page(1, 2), &KafkaError::MessageProduction(not_allowed));
        assert!(!refusals.is_too_large(at(2)));
        refusals.learn(at(1), &page(1, 2), &TOO_LARGE);
        assert!(refusals.is_too_large(at(2)) && !refusals.is_too_large(at(1)));
        assert!(refusals.is_alone(at(2)), "there may be more");
        refusals.learn(at(1), &page(2, 3), &TOO_LARGE);
        assert!(refusals.is_too_large(at(2)) && refusals.is_too_large(at(3)));
    }
}
