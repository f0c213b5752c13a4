//! The rules of tickets and of the doors that check them. Pure: time, ids and secrets come in as
//! values.

pub(crate) mod door;
pub(crate) mod list;
pub(crate) mod order;
pub(crate) mod scan;

pub(crate) use door::Door;
pub(crate) use list::CheckInList;
pub(crate) use order::OrderTickets;

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use store::Aggregate;

    use super::*;

    fn read<A: Aggregate>(samples: &str) -> Vec<(Value, A::Event)> {
        let samples: Vec<Value> = serde_json::from_str(samples).expect("the samples are JSON");
        let read = |sample: Value| {
            let event = serde_json::from_value(sample.clone()).expect("it is understood");
            (sample, event)
        };
        samples.into_iter().map(read).collect()
    }

    /// The samples have every kind of event as it was written, and stay as they are for ever.
    fn still_writes<A: Aggregate>(samples: &str) {
        for (sample, event) in read::<A>(samples) {
            assert_eq!(serde_json::to_value(&event).expect("it can be written"), sample);
        }
    }

    #[test]
    fn every_event_that_was_ever_written_can_be_read() {
        let first = read::<OrderTickets>(include_str!("domain/samples/order_tickets.1.json"));
        let mut tickets = OrderTickets::default();
        for (_, event) in first {
            tickets.evolve(&event);
        }
        assert!(tickets.voided.is_some(), "what was voided before tickets were voided singly");
        assert!(tickets.tickets.iter().all(|ticket| ticket.voided.is_some()));
        assert!(tickets.tickets[0].first_entry().is_some());
        still_writes::<OrderTickets>(include_str!("domain/samples/order_tickets.2.json"));
        still_writes::<OrderTickets>(include_str!("domain/samples/order_tickets.3.json"));
        still_writes::<CheckInList>(include_str!("domain/samples/check_in_list.1.json"));
        still_writes::<Door>(include_str!("domain/samples/door.1.json"));
    }
}
