//! The rules of the programme: organizers with their members, venues, and events with their ticket
//! types. Pure: the time comes in as a value, and what one aggregate says about another (an
//! event's organizer, an event's venue) is checked by the service.

pub(crate) mod event;
pub(crate) mod organizer;
pub(crate) mod venue;

pub(crate) use event::Event;
pub(crate) use organizer::Organizer;
pub(crate) use venue::Venue;

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use store::Aggregate;

    use super::*;

    /// `samples` has kinds of events as they were written at some time, and stays as it is for ever:
    /// `1` what the first schema had, `2` what came with quotas, seats, taxes and sales windows.
    fn still_reads<A: Aggregate>(samples: &str) {
        let samples: Vec<Value> = serde_json::from_str(samples).expect("the samples are JSON");
        for sample in samples {
            let read: A::Event = serde_json::from_value(sample.clone()).expect("it is understood");
            let written = serde_json::to_value(&read).expect("it can be written");
            assert_eq!(written, sample);
        }
    }

    #[test]
    fn every_event_that_was_ever_written_can_be_read() {
        still_reads::<Organizer>(include_str!("domain/samples/organizer.1.json"));
        still_reads::<Venue>(include_str!("domain/samples/venue.1.json"));
        still_reads::<Event>(include_str!("domain/samples/event.1.json"));
        still_reads::<Venue>(include_str!("domain/samples/venue.2.json"));
        still_reads::<Event>(include_str!("domain/samples/event.2.json"));
    }
}
