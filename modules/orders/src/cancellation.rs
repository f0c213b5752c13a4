//! The undoing of all orders of an event that was cancelled: one for each event. Pure.
//!
//! It goes through the event's orders by their ids, from where it was; once it comes to an end
//! without having found a live one, and none is being undone any more, it is done. So it resumes
//! after a crash at any point, and orders that were being placed meanwhile are found, too.

use jiff::SignedDuration;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

/// How soon it goes on by itself should whoever does it have died.
const RESUME_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// Purchases that were under way when the event was cancelled have come to an end or to light after
/// this time.
const STRAGGLERS: SignedDuration = SignedDuration::from_mins(1);

/// Where the undoing stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cancellation(Option<Undoing>);

/// An undoing that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Undoing {
    /// What the organizer tells buyers.
    pub(crate) reason: String,
    pub(crate) begun_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    /// The last order that was looked at in this pass.
    pub(crate) cursor: Option<Uuid>,
    /// Whether this pass has found a live order.
    has_found_some: bool,
    resume_at: Timestamp,
}

/// What it is told.
#[derive(Debug, Clone)]
pub(crate) enum CancellationCommand {
    /// The event was cancelled.
    Begin { reason: String, at: Timestamp },
    /// The orders up to this one were called off, so far as they were live.
    Advance { cursor: Uuid, at: Timestamp },
    /// The pass has come to its end.
    EndPass { at: Timestamp },
    /// Nothing; the answer tells how it stands once all earlier commands are carried out.
    Look,
    /// No order is live or being undone.
    Finish { at: Timestamp },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum CancellationEvent {
    Begun { reason: String, at: Timestamp },
    Advanced { cursor: Uuid, at: Timestamp },
    PassEnded { at: Timestamp },
    Finished { at: Timestamp },
}

/// Nothing was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event was not cancelled")]
pub(crate) struct NotBegun;

impl Cancellation {
    /// The undoing, unless the event was never cancelled.
    pub(crate) fn begun(&self) -> Option<&Undoing> {
        self.0.as_ref()
    }
}

impl Undoing {
    /// Whether this pass may be the last one at `now`.
    pub(crate) fn may_finish(&self, now: Timestamp) -> bool {
        !self.has_found_some && now.duration_since(self.begun_at) >= STRAGGLERS
    }
}

impl Aggregate for Cancellation {
    const NAME: &'static str = "event_cancellation";
    type Command = CancellationCommand;
    type Event = CancellationEvent;
    type Rejection = NotBegun;

    fn decide(&self, command: CancellationCommand) -> Result<Vec<CancellationEvent>, NotBegun> {
        let Some(begun) = &self.0 else {
            return match command {
                CancellationCommand::Begin { reason, at } => {
                    Ok(vec![CancellationEvent::Begun { reason, at }])
                }
                _ => Err(NotBegun),
            };
        };
        if begun.finished_at.is_some() {
            return Ok(Vec::new());
        }
        Ok(match command {
            CancellationCommand::Advance { cursor, at } => {
                vec![CancellationEvent::Advanced { cursor, at }]
            }
            CancellationCommand::EndPass { at } if begun.cursor.is_some() => {
                vec![CancellationEvent::PassEnded { at }]
            }
            CancellationCommand::Finish { at } if begun.may_finish(at) => {
                vec![CancellationEvent::Finished { at }]
            }
            CancellationCommand::Begin { .. }
            | CancellationCommand::Look
            | CancellationCommand::EndPass { .. }
            | CancellationCommand::Finish { .. } => Vec::new(),
        })
    }

    fn evolve(&mut self, event: &CancellationEvent) {
        if let CancellationEvent::Begun { reason, at } = event {
            self.0 = Some(Undoing {
                reason: reason.clone(),
                begun_at: *at,
                finished_at: None,
                cursor: None,
                has_found_some: false,
                resume_at: later(*at),
            });
        }
        let Some(begun) = &mut self.0 else { return };
        match event {
            CancellationEvent::Begun { .. } => {}
            CancellationEvent::Advanced { cursor, at } => {
                begun.cursor = Some(*cursor);
                begun.has_found_some = true;
                begun.resume_at = later(*at);
            }
            CancellationEvent::PassEnded { at } => {
                begun.cursor = None;
                begun.has_found_some = false;
                begun.resume_at = later(*at);
            }
            CancellationEvent::Finished { at } => begun.finished_at = Some(*at),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let begun = self.0.as_ref()?;
        begun.finished_at.is_none().then_some(begun.resume_at)
    }
}

fn later(at: Timestamp) -> Timestamp {
    at.checked_add(RESUME_AFTER).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn tell(cancellation: &mut Cancellation, command: CancellationCommand) -> usize {
        let events = cancellation.decide(command).expect("it was begun");
        for event in &events {
            cancellation.evolve(event);
        }
        events.len()
    }

    fn begun() -> Cancellation {
        let mut cancellation = Cancellation::default();
        let begin = CancellationCommand::Begin { reason: "flood".to_owned(), at: second(0) };
        assert_eq!(tell(&mut cancellation, begin), 1);
        cancellation
    }

    #[test]
    fn it_is_done_after_a_pass_that_finds_nothing_and_a_while() {
        let mut cancellation = begun();
        let advance = CancellationCommand::Advance { cursor: Uuid::from_u128(7), at: second(1) };
        assert_eq!(tell(&mut cancellation, advance), 1);
        let finish = |at| CancellationCommand::Finish { at: second(at) };
        assert_eq!(tell(&mut cancellation, finish(90)), 0, "it has just found one");
        assert_eq!(tell(&mut cancellation, CancellationCommand::EndPass { at: second(2) }), 1);
        assert_eq!(tell(&mut cancellation, finish(59)), 0, "somebody may be late");
        assert_eq!(tell(&mut cancellation, finish(60)), 1);
        assert_eq!(cancellation.wake_at(), None);
    }

    #[test]
    fn it_wakes_by_itself_until_it_is_done() {
        assert_eq!(begun().wake_at(), Some(second(5)));
    }

    #[test]
    fn an_event_is_cancelled_once() {
        let again = CancellationCommand::Begin { reason: "fire".to_owned(), at: second(9) };
        assert_eq!(tell(&mut begun(), again), 0);
        let nothing = Cancellation::default();
        assert_eq!(nothing.decide(CancellationCommand::EndPass { at: second(1) }), Err(NotBegun));
    }

    #[test]
    fn events_are_read_and_written_as_they_ever_were() {
        let golden = json!([
            {"type": "begun", "reason": "flood", "at": "2027-05-02T10:00:00Z"},
            {"type": "advanced", "cursor": Uuid::from_u128(7), "at": "2027-05-02T10:00:01Z"},
            {"type": "pass_ended", "at": "2027-05-02T10:00:02Z"},
            {"type": "finished", "at": "2027-05-02T10:01:00Z"},
        ]);
        let events: Vec<CancellationEvent> =
            serde_json::from_value(golden.clone()).expect("they are read");
        assert_eq!(serde_json::to_value(events).expect("they are written"), golden);
    }
}
