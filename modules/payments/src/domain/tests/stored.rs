//! Events that were stored once are understood for ever.

use super::*;

/// Everything that happened, in the words of the time.
fn golden(text: &str) -> (Vec<Event>, Payment) {
    let events: Vec<Event> = serde_json::from_str(text).unwrap();
    let mut payment = Payment::default();
    for event in &events {
        payment.evolve(event);
    }
    (events, payment)
}

#[test]
fn events_of_the_first_version_are_understood() {
    let (_, payment) = golden(include_str!("../golden/payment.v1.json"));
    assert_eq!(payment.status(), PaymentStatus::Refunded);
    let states: Vec<_> = payment.attempts.iter().map(|it| it.state).collect();
    assert_eq!(states, [AttemptState::Failed, AttemptState::Cancelled, AttemptState::Confirmed]);
    // A refund after a refused one repeated it.
    let of = payment.refunds[0].id;
    assert_eq!(payment.refunds[1].origin, RefundOrigin::Repeats { of });
    assert_eq!(payment.wake_at(), None);
}

#[test]
fn events_are_written_as_they_were() {
    let text = include_str!("../golden/payment.v2.json");
    let (events, payment) = golden(text);
    let written: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&events).unwrap(), written);
    assert_eq!((payment.refunded(), payment.left()), (3500, 1500));
    assert_eq!(payment.surplus.len(), 1);
}

#[test]
fn events_of_refunds_that_came_to_nothing_are_written_as_they_were() {
    let text = include_str!("../golden/payment.v3.json");
    let (events, payment) = golden(text);
    let written: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&events).unwrap(), written);
    let states: Vec<_> = payment.refunds.iter().map(|it| it.state).collect();
    assert_eq!(states, [RefundState::Failed, RefundState::Cancelled, RefundState::Cancelled]);
    assert_eq!((payment.refunded(), payment.left(), payment.wake_at()), (0, 5000, None));
}
