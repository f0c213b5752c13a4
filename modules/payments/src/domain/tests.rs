mod books;
mod refunds;
mod stored;

use contracts::payments::AttemptState;
use iso_currency::Currency;

use super::*;
use crate::card::CardNumber;

const ORDER_PAYMENT: Uuid = Uuid::from_u128(0xA);
const FIRST: Uuid = Uuid::from_u128(1);
const SECOND: Uuid = Uuid::from_u128(2);
const EXPIRY: i64 = 900;

fn second(second: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + second, 0)
}

fn euros(amount: i64) -> Money {
    Money::new(amount, Currency::EUR)
}

fn terms(amount: i64) -> Terms {
    Terms {
        payer_id: Uuid::from_u128(0xB),
        organizer_id: Uuid::from_u128(0xC),
        amount: euros(amount),
        expires_at: second(EXPIRY),
        opened_at: second(0),
    }
}

fn open(amount: i64) -> Command {
    Command::Open { payment_id: ORDER_PAYMENT, terms: terms(amount) }
}

fn close(at: i64) -> Command {
    Command::Close { payment_id: Uuid::from_u128(0xD), at: second(at) }
}

fn begin(attempt_id: Uuid, at: i64) -> Command {
    let card = CardNumber::parse("4242424242424242").unwrap().summary();
    Command::BeginAttempt { attempt_id, card: Some(card), ask_at: second(at + 5), at: second(at) }
}

fn outcome(attempt_id: Uuid, outcome: Outcome, at: i64) -> Command {
    Command::RecordOutcome { attempt_id, outcome, ask_at: second(at + 1), at: second(at) }
}

fn succeeded() -> Outcome {
    Outcome::Succeeded { reference: "ch_1".to_owned() }
}

fn action_required() -> Outcome {
    Outcome::ActionRequired { url: "/step".to_owned(), reference: None }
}

fn refund(refund_id: u128, at: i64) -> Command {
    refund_of(refund_id, None, at)
}

fn refund_of(refund_id: u128, amount: Option<i64>, at: i64) -> Command {
    Command::BeginRefund {
        refund_id: Uuid::from_u128(refund_id),
        amount: amount.map(euros),
        reason: "rain".to_owned(),
        ask_at: second(at + 5),
        at: second(at),
    }
}

fn refund_outcome(refund_id: u128, outcome: RefundOutcome, at: i64) -> Command {
    let refund_id = Uuid::from_u128(refund_id);
    Command::RecordRefund { refund_id, outcome, ask_at: second(at + 60), at: second(at) }
}

/// A payment that was told things, and everything that happened to it.
#[derive(Default)]
struct Story {
    payment: Payment,
    events: Vec<Event>,
}

impl Story {
    fn of(commands: impl IntoIterator<Item = Command>) -> Self {
        let mut story = Self::default();
        for command in commands {
            story.tell(command.clone()).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
        }
        story
    }

    fn tell(&mut self, command: Command) -> Result<Vec<Event>, Rejection> {
        let events = self.payment.decide(command)?;
        for event in &events {
            self.payment.evolve(event);
        }
        self.events.extend(events.iter().cloned());
        Ok(events)
    }
}

#[test]
fn a_payment_waits_until_its_attempt_succeeds() {
    let mut story = Story::of([open(5000)]);
    assert_eq!(story.payment.status(), PaymentStatus::Open);
    story.tell(begin(FIRST, 10)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Pending);
    story.tell(outcome(FIRST, succeeded(), 11)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Settled);
    assert_eq!(story.payment.wake_at(), None);
}

#[test]
fn nothing_to_pay_is_settled_when_it_is_opened() {
    let mut story = Story::of([open(0)]);
    assert_eq!(story.payment.status(), PaymentStatus::Settled);
    assert_eq!(story.tell(begin(FIRST, 1)), Err(Rejection::Settled));
}

#[test]
fn nothing_that_was_paid_is_given_back_at_once() {
    let story = Story::of([open(0), refund(7, 1)]);
    assert_eq!(story.payment.status(), PaymentStatus::Refunded);
    assert_eq!(story.payment.wake_at(), None);
}

#[test]
fn the_same_payment_opened_again_is_the_first() {
    let mut story = Story::of([open(5000)]);
    assert_eq!(story.tell(open(5000)), Ok(vec![]));
    assert_eq!(story.tell(open(4000)), Err(Rejection::Differs));
    assert_eq!(Story::default().tell(open(-1)), Err(Rejection::NegativeAmount));
}

#[test]
fn an_order_that_was_never_opened_is_closed_for_good() {
    let mut story = Story::of([close(1)]);
    assert_eq!(story.payment.id, Some(Uuid::from_u128(0xD)));
    assert_eq!(story.payment.status(), PaymentStatus::Closed);
    assert_eq!(story.tell(open(5000)), Err(Rejection::ClosedForGood));
    assert_eq!(story.tell(close(2)), Ok(vec![]));
}

#[test]
fn a_closed_payment_keeps_its_id_and_takes_no_attempt() {
    let mut story = Story::of([open(5000), close(1)]);
    assert_eq!(story.payment.id, Some(ORDER_PAYMENT));
    assert_eq!(story.tell(begin(FIRST, 2)), Err(Rejection::Closed));
    assert_eq!(story.tell(open(5000)), Ok(vec![]));
}

#[test]
fn an_expired_payment_takes_no_attempt() {
    let mut story = Story::of([open(5000)]);
    assert_eq!(story.tell(begin(FIRST, EXPIRY)), Err(Rejection::Closed));
    assert!(story.tell(begin(FIRST, EXPIRY - 1)).is_ok());
}

#[test]
fn a_declined_attempt_makes_way_for_another() {
    let declined = Outcome::Declined { reason: Decline::InsufficientFunds };
    let mut story = Story::of([open(5000), begin(FIRST, 1), outcome(FIRST, declined, 2)]);
    assert_eq!(story.payment.status(), PaymentStatus::Open);
    story.tell(begin(SECOND, 3)).unwrap();
    story.tell(outcome(SECOND, succeeded(), 4)).unwrap();
    let numbers: Vec<u32> = story.payment.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(story.payment.status(), PaymentStatus::Settled);
}

#[test]
fn two_attempts_are_never_under_way_at_once() {
    for first in [Outcome::Unknown, action_required()] {
        let mut story = Story::of([open(5000), begin(FIRST, 1)]);
        let refusal = Err(Rejection::AttemptUnderWay { number: 1 });
        assert_eq!(story.tell(begin(SECOND, 2)), refusal);
        story.tell(outcome(FIRST, first, 2)).unwrap();
        assert_eq!(story.tell(begin(SECOND, 3)), refusal);
        story.tell(outcome(FIRST, Outcome::Cancelled, 4)).unwrap();
        assert!(story.tell(begin(SECOND, 5)).is_ok());
    }
}

#[test]
fn an_attempt_begun_again_is_the_first() {
    let mut story = Story::of([open(5000), begin(FIRST, 1)]);
    assert_eq!(story.tell(begin(FIRST, 2)), Ok(vec![]));
}

#[test]
fn an_attempt_whose_fate_is_unknown_wakes_the_payment() {
    let mut story = Story::of([open(5000), begin(FIRST, 1)]);
    assert_eq!(story.payment.wake_at(), Some(second(6)));
    story.tell(outcome(FIRST, Outcome::Unknown, 4)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(5)));
    assert_eq!(story.tell(outcome(FIRST, Outcome::Unknown, 5)), Ok(vec![]));
}

#[test]
fn a_payment_closed_while_an_attempt_is_pending_tells_when_money_comes() {
    let mut story =
        Story::of([open(5000), begin(FIRST, 1), outcome(FIRST, Outcome::Unknown, 4), close(5)]);
    assert_eq!(story.payment.status(), PaymentStatus::Pending);
    let events = story.tell(outcome(FIRST, succeeded(), 6)).unwrap();
    assert!(events.iter().any(|event| matches!(event, Event::Settled { .. })), "{events:?}");
    assert_eq!(story.payment.status(), PaymentStatus::Settled);
}

#[test]
fn a_payment_closed_while_an_attempt_is_pending_is_closed_when_none_comes() {
    let mut story = Story::of([open(5000), begin(FIRST, 1), close(2)]);
    story.tell(outcome(FIRST, Outcome::Cancelled, 3)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Closed);
}

#[test]
fn closing_calls_off_a_second_step_at_once() {
    let mut story = Story::of([open(5000), begin(FIRST, 1), outcome(FIRST, action_required(), 2)]);
    assert_eq!(story.payment.wake_at(), Some(second(EXPIRY)));
    story.tell(close(3)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(3)));
}

#[test]
fn a_second_step_is_taken_once_and_in_time() {
    let step =
        |at| Command::TakeAction { attempt_id: FIRST, ask_at: second(at + 5), at: second(at) };
    let opened = [open(5000), begin(FIRST, 1), outcome(FIRST, action_required(), 2)];
    assert_eq!(Story::of(opened.clone()).tell(step(EXPIRY)), Err(Rejection::Closed));
    let mut story = Story::of(opened);
    story.tell(step(3)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(8)));
    story.tell(outcome(FIRST, succeeded(), 4)).unwrap();
    assert_eq!(story.tell(step(5)), Err(Rejection::NothingToConfirm));
}

#[test]
fn money_for_an_attempt_that_was_given_up_is_money() {
    let mut story = Story::of([open(5000), begin(FIRST, 1), outcome(FIRST, Outcome::Cancelled, 2)]);
    story.tell(outcome(FIRST, succeeded(), 3)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Settled);
}

#[test]
fn money_that_comes_twice_goes_back() {
    let mut story = Story::of([
        open(5000),
        begin(FIRST, 1),
        outcome(FIRST, Outcome::Cancelled, 2),
        begin(SECOND, 3),
        outcome(SECOND, succeeded(), 4),
    ]);
    let late = Outcome::Succeeded { reference: "ch_2".to_owned() };
    story.tell(outcome(FIRST, late.clone(), 5)).unwrap();
    assert_eq!(story.tell(outcome(FIRST, late, 6)), Ok(vec![]));
    assert_eq!(story.tell(outcome(SECOND, succeeded(), 6)), Ok(vec![]));
    let [goes_back] = &story.payment.refunds[..] else { panic!("{:?}", story.payment.refunds) };
    assert_eq!(story.payment.charge_of(goes_back), Some("ch_2"));
    assert_eq!(goes_back.amount, euros(5000));
    let id = goes_back.id.as_u128();
    assert!(story.payment.wake_at().is_some());
    // The order is paid once, and nobody else hears of the rest.
    assert_eq!((story.payment.status(), story.payment.left()), (PaymentStatus::Settled, 5000));
    let events = story.tell(refund_outcome(id, RefundOutcome::Done, 7)).unwrap();
    assert!(matches!(events[..], [Event::RefundDone { of_surplus: true, .. }]), "{events:?}");
    assert_eq!((story.payment.refunded(), story.payment.left()), (0, 5000));
}

#[test]
fn an_attempt_that_was_called_off_makes_way_for_another_of_the_same_request() {
    let mut story = Story::of([open(5000), begin(FIRST, 1)]);
    assert_eq!(story.payment.attempt_of_request(FIRST), FIRST);
    story.tell(outcome(FIRST, Outcome::Unreached, 2)).unwrap();
    let next = story.payment.attempt_of_request(FIRST);
    assert_ne!(next, FIRST);
    story.tell(begin(next, 3)).unwrap();
    let declined = Outcome::Declined { reason: Decline::Declined };
    story.tell(outcome(next, declined, 4)).unwrap();
    assert_eq!(story.payment.attempt_of_request(FIRST), next);
}

#[test]
fn what_the_provider_calls_a_charge_is_kept_as_soon_as_it_is_known() {
    let mut story = Story::of([open(5000), begin(FIRST, 1), outcome(FIRST, Outcome::Unknown, 2)]);
    let processing = || Outcome::Processing { reference: "pi_1".to_owned() };
    assert_eq!(story.tell(outcome(FIRST, processing(), 3)).unwrap().len(), 1);
    assert_eq!(story.tell(outcome(FIRST, processing(), 4)), Ok(vec![]));
    assert_eq!(story.payment.attempts[0].reference.as_deref(), Some("pi_1"));
    story.tell(outcome(FIRST, action_required(), 5)).unwrap();
    assert_eq!(story.payment.attempts[0].reference.as_deref(), Some("pi_1"));
}

/// Begins `count` attempts from the id `from`, of each of which this becomes.
fn attempts(story: &mut Story, from: u128, count: u128, becomes: &Outcome) {
    for id in (from..from + count).map(Uuid::from_u128) {
        story.tell(begin(id, 1)).unwrap();
        story.tell(outcome(id, becomes.clone(), 2)).unwrap();
    }
}

#[test]
fn attempts_to_pay_are_used_up() {
    let mut story = Story::of([open(5000)]);
    attempts(&mut story, 100, 10, &Outcome::Unreached);
    attempts(&mut story, 200, 19, &Outcome::Declined { reason: Decline::Declined });
    assert!(!story.payment.has_used_up_attempts());
    story.tell(begin(FIRST, 3)).unwrap();
    story.tell(outcome(FIRST, action_required(), 4)).unwrap();
    let refusal = Err(Rejection::TooManyAttempts { most: 20 });
    assert_eq!(story.tell(begin(SECOND, 5)), refusal);
    // The last one is still good.
    story.tell(outcome(FIRST, succeeded(), 6)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Settled);
    assert_eq!(story.tell(begin(SECOND, 7)), Err(Rejection::Settled));
}

#[test]
fn attempts_that_reach_nobody_are_used_up_later() {
    let mut story = Story::of([open(5000)]);
    attempts(&mut story, 100, 100, &Outcome::Unreached);
    assert_eq!(story.tell(begin(FIRST, 3)), Err(Rejection::TooManyAttempts { most: 20 }));
}

fn paid() -> [Command; 3] {
    [open(5000), begin(FIRST, 1), outcome(FIRST, succeeded(), 2)]
}
