use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::domain::notice::{Kind, Message};

const DAY: Duration = Duration::from_hours(24);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

fn notice() -> Notice {
    let message = Message {
        kind: Kind::OrderConfirmation,
        order_id: Uuid::from_u128(7),
        event_id: Uuid::from_u128(8),
        amount: None,
        positions: Vec::new(),
        reason: String::new(),
    };
    Notice { user_id: Uuid::from_u128(1), organizer_id: Uuid::from_u128(2), message }
}

fn queue(happened: i64) -> Command {
    Command::Queue { notice: notice(), happened_at: at(happened), at: at(0), patience: DAY }
}

fn fail(second: i64, for_good: bool) -> Command {
    let error = "the mail server cannot be reached".to_owned();
    let pause = Duration::from_mins(1);
    Command::RecordFailure { error, for_good, pause, patience: DAY, at: at(second) }
}

fn sent(second: i64) -> Command {
    Command::RecordSent { with_built_in_text: true, at: at(second) }
}

fn after(commands: impl IntoIterator<Item = Command>) -> Mail {
    let mut mail = Mail::default();
    for command in commands {
        for event in mail.decide(command).expect("it is accepted") {
            mail.evolve(&event);
        }
    }
    mail
}

#[test]
fn a_queued_mail_wants_to_be_sent_at_once_and_a_sent_one_never_again() {
    let queued = after([queue(0)]);
    assert!(queued.is_due(at(0)));
    let done = after([queue(0), sent(1)]);
    assert_eq!((done.state, done.wake_at(), done.attempts), (MailState::Sent, None, 1));
}

#[test]
fn what_is_told_twice_is_one_mail() {
    let queued = after([queue(0)]);
    assert_eq!(queued.decide(queue(0)), Ok(Vec::new()));
    assert_eq!(after([queue(0), sent(1), sent(2)]).attempts, 1);
}

#[test]
fn a_failure_is_tried_again_after_a_pause_and_given_up_after_a_day() {
    let failed = after([queue(0), fail(5, false)]);
    assert_eq!((failed.state, failed.next_attempt_at), (MailState::Queued, Some(at(65))));
    assert!(!failed.is_due(at(64)));
    let day = 24 * 3600;
    let given_up = after([queue(0), fail(5, false), fail(day, false)]);
    assert_eq!((given_up.state, given_up.wake_at()), (MailState::GivenUp, None));
    assert_eq!(given_up.attempts, 2);
    assert_eq!(given_up.last_error.as_deref(), Some("the mail server cannot be reached"));
}

#[test]
fn what_cannot_be_delivered_is_given_up_at_once() {
    let given_up = after([queue(0), fail(5, true)]);
    assert_eq!((given_up.state, given_up.attempts), (MailState::GivenUp, 1));
}

#[test]
fn old_news_is_told_to_nobody() {
    let old = after([queue(-24 * 3600)]);
    assert_eq!((old.state, old.attempts, old.wake_at()), (MailState::GivenUp, 0, None));
}

#[test]
fn what_was_sent_is_sent_once_more_as_another_copy() {
    let again = after([queue(0), sent(1), Command::Resend { at: at(9) }]);
    assert_eq!((again.state, again.copy, again.is_due(at(9))), (MailState::Queued, 1, true));
}

#[test]
fn what_was_given_up_has_another_day_under_the_same_name() {
    let resend = Command::Resend { at: at(90_000) };
    let again = after([queue(0), fail(5, true), resend, fail(90_001, false)]);
    assert_eq!((again.state, again.copy), (MailState::Queued, 0));
}

#[test]
fn what_waits_for_its_first_attempt_is_not_asked_for_again() {
    assert_eq!(after([queue(0)]).decide(Command::Resend { at: at(1) }), Ok(Vec::new()));
    assert_eq!(Mail::default().decide(Command::Resend { at: at(1) }), Err(Rejection::Unknown));
}

/// Never change these: they are what older builds have written.
#[test]
fn events_of_every_build_are_understood() {
    let notice = json!({
        "user_id": Uuid::from_u128(1),
        "organizer_id": Uuid::from_u128(2),
        "message": {
            "kind": "positions_cancellation",
            "order_id": Uuid::from_u128(7),
            "event_id": Uuid::from_u128(8),
            "amount": {"amount": 2500, "currency": "EUR"},
            "positions": [2],
            "reason": "the seat is broken",
        },
    });
    let t = "2027-03-01T12:00:00Z";
    let golden = [
        json!({"type": "queued", "notice": notice, "happened_at": t, "at": t}),
        json!({"type": "sent", "with_built_in_text": false, "at": t}),
        json!({"type": "failed", "error": "it broke", "again_at": t, "at": t}),
        json!({"type": "given_up", "reason": "it broke", "at": t}),
        json!({"type": "given_up", "reason": "it broke", "attempted": true, "at": t}),
        json!({"type": "asked_again", "at": t}),
    ];
    for sample in golden {
        let event: Event = serde_json::from_value(sample.clone()).expect("understood");
        assert_eq!(serde_json::to_value(event).expect("written"), sample);
    }
}

proptest! {
    /// Whatever happens in whichever order, a mail waits to be sent or is at an end.
    #[test]
    fn a_mail_waits_or_has_ended(steps in prop::collection::vec((0..4_u8, 0..100_000_i64), 0..30)) {
        let commands = steps.into_iter().map(|(step, second)| match step {
            0 => sent(second),
            1 => fail(second, true),
            2 => fail(second, false),
            _ => Command::Resend { at: at(second) },
        });
        let mail = after(std::iter::once(queue(0)).chain(commands));
        prop_assert_eq!(mail.wake_at().is_some(), mail.state == MailState::Queued);
    }
}
