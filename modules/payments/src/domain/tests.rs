use std::collections::HashMap;

use iso_currency::Currency;
use proptest::prelude::*;

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
    Command::BeginAttempt { attempt_id, card, ask_at: second(at + 5), at: second(at) }
}

fn outcome(attempt_id: Uuid, outcome: Outcome, at: i64) -> Command {
    Command::RecordOutcome { attempt_id, outcome, ask_at: second(at + 1), at: second(at) }
}

fn succeeded() -> Outcome {
    Outcome::Succeeded { reference: "ch_1".to_owned() }
}

fn action_required() -> Outcome {
    Outcome::ActionRequired { url: "/step".to_owned() }
}

fn refund(refund_id: u128, at: i64) -> Command {
    Command::BeginRefund {
        refund_id: Uuid::from_u128(refund_id),
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
fn money_that_comes_twice_is_not_passed_over_in_silence() {
    let mut story = Story::of([
        open(5000),
        begin(FIRST, 1),
        outcome(FIRST, Outcome::Cancelled, 2),
        begin(SECOND, 3),
        outcome(SECOND, succeeded(), 4),
    ]);
    assert_eq!(story.tell(outcome(FIRST, succeeded(), 5)), Err(Rejection::PaidTwice { number: 1 }));
    assert_eq!(story.tell(outcome(SECOND, succeeded(), 5)), Ok(vec![]));
}

fn paid() -> [Command; 3] {
    [open(5000), begin(FIRST, 1), outcome(FIRST, succeeded(), 2)]
}

#[test]
fn money_is_given_back_once() {
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Refunding);
    assert_eq!(story.tell(refund(8, 4)), Ok(vec![]));
    story.tell(refund_outcome(7, RefundOutcome::Done, 5)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Refunded);
    assert_eq!(story.tell(refund(9, 6)), Ok(vec![]));
    assert_eq!(story.payment.refunds.len(), 1);
}

#[test]
fn what_was_not_received_is_not_given_back() {
    assert_eq!(Story::default().tell(refund(7, 1)), Err(Rejection::NothingReceived));
    assert_eq!(Story::of([open(5000)]).tell(refund(7, 1)), Err(Rejection::NothingReceived));
}

#[test]
fn a_refund_without_an_answer_wakes_the_payment() {
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(8)));
    assert_eq!(story.tell(refund_outcome(7, RefundOutcome::Unknown, 8)), Ok(vec![]));
    story.tell(refund_outcome(7, RefundOutcome::InTransit, 9)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(69)));
}

#[test]
fn a_refused_refund_shows_and_another_follows() {
    let refused = || RefundOutcome::Failed { reason: "account closed".to_owned() };
    let mut story = Story::of(paid());
    story.tell(refund(7, 3)).unwrap();
    story.tell(refund_outcome(7, refused(), 4)).unwrap();
    assert_eq!(story.payment.status(), PaymentStatus::Refunding);
    assert_eq!(story.payment.refunds[0].failure.as_deref(), Some("account closed"));
    assert_eq!(story.payment.wake_at(), Some(second(64)));
    story.tell(refund(8, 64)).unwrap();
    assert_eq!(story.payment.refunds[1].number, 2);
    story.tell(refund_outcome(8, refused(), 65)).unwrap();
    assert_eq!(story.payment.wake_at(), Some(second(65 + 120)));
}

/// What may go on between a payment and a provider.
#[derive(Debug, Clone, Copy)]
enum Move {
    Pay {
        reaches: bool,
        answers: bool,
        charge: Charged,
    },
    /// A request that was lost on the way arrives after all.
    Arrive,
    Resolve {
        answers: bool,
    },
    Confirm {
        approves: bool,
        answers: bool,
    },
    MakeWay,
    Close,
    Refund {
        reaches: bool,
        answers: bool,
        is_refused: bool,
    },
    DriveRefund {
        answers: bool,
    },
    Wait {
        seconds: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Charged {
    Succeeded,
    Declined,
    ActionRequired,
    Cancelled,
}

impl Charged {
    fn outcome(self) -> Outcome {
        match self {
            Self::Succeeded => succeeded(),
            Self::Declined => Outcome::Declined { reason: Decline::Declined },
            Self::ActionRequired => action_required(),
            Self::Cancelled => Outcome::Cancelled,
        }
    }
}

/// A payment and a provider that keeps its promises, over a line that does not.
#[derive(Default)]
struct World {
    story: Story,
    charges: HashMap<Uuid, Charged>,
    refunds: HashMap<Uuid, bool>,
    on_the_way: Vec<(Uuid, Charged)>,
    now: i64,
    next_id: u128,
}

impl World {
    fn id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(1000 + self.next_id)
    }

    fn hear(&mut self, id: Uuid, answers: bool) {
        let answer = self.charges[&id].outcome();
        let heard = if answers { answer } else { Outcome::Unknown };
        self.story.tell(outcome(id, heard, self.now)).unwrap();
    }

    fn cancel(&mut self, id: Uuid) {
        let charge = self.charges.entry(id).or_insert(Charged::Cancelled);
        if *charge == Charged::ActionRequired {
            *charge = Charged::Cancelled;
        }
    }

    fn resolve(&mut self, answers: bool) {
        let Some(id) = self.story.payment.live_attempt().map(|attempt| attempt.id) else { return };
        let is_unwanted = self.story.payment.is_over(second(self.now))
            && self.charges.get(&id) == Some(&Charged::ActionRequired);
        if is_unwanted || !self.charges.contains_key(&id) {
            self.cancel(id);
        }
        self.hear(id, answers);
    }

    fn make(&mut self, a_move: Move) {
        match a_move {
            Move::Pay { reaches, answers, charge } => {
                let id = self.id();
                if self.story.tell(begin(id, self.now)).is_err() {
                    return;
                }
                if !reaches {
                    self.on_the_way.push((id, charge));
                    return;
                }
                self.charges.insert(id, charge);
                self.hear(id, answers);
            }
            Move::Arrive => {
                if let Some((id, charge)) = self.on_the_way.pop() {
                    self.charges.entry(id).or_insert(charge);
                }
            }
            Move::Resolve { answers } => self.resolve(answers),
            Move::Confirm { approves, answers } => {
                let live = self.story.payment.live_attempt();
                let Some(id) = live.map(|attempt| attempt.id) else { return };
                let (ask_at, at) = (second(self.now + 5), second(self.now));
                let command = Command::TakeAction { attempt_id: id, ask_at, at };
                if self.story.tell(command).is_err() {
                    return;
                }
                if let Some(charge) = self.charges.get_mut(&id)
                    && *charge == Charged::ActionRequired
                {
                    *charge = if approves { Charged::Succeeded } else { Charged::Declined };
                }
                if self.charges.contains_key(&id) {
                    self.hear(id, answers);
                }
            }
            Move::MakeWay => {
                let live = self.story.payment.live_attempt();
                let waiting = live.filter(|it| it.state == AttemptState::ActionRequired);
                if let Some(id) = waiting.map(|attempt| attempt.id) {
                    self.cancel(id);
                    self.hear(id, true);
                }
            }
            Move::Close => {
                self.story.tell(close(self.now)).unwrap();
            }
            Move::Refund { reaches, answers, is_refused } => {
                let id = self.id();
                let command = refund(id.as_u128(), self.now);
                let begun = self.story.tell(command).unwrap_or_default();
                if begun.is_empty() || !reaches {
                    return;
                }
                self.refunds.insert(id, !is_refused);
                self.hear_of_refund(id, answers);
            }
            Move::DriveRefund { answers } => {
                let last = self.story.payment.refunds.last();
                let Some((id, state)) = last.map(|it| (it.id, it.state)) else { return };
                if state == RefundState::Created {
                    self.refunds.entry(id).or_insert(true);
                    self.hear_of_refund(id, answers);
                }
            }
            Move::Wait { seconds } => self.now += seconds,
        }
    }

    fn hear_of_refund(&mut self, id: Uuid, answers: bool) {
        let heard = match (answers, self.refunds[&id]) {
            (false, _) => RefundOutcome::Unknown,
            (true, true) => RefundOutcome::Done,
            (true, false) => RefundOutcome::Failed { reason: "no".to_owned() },
        };
        self.story.tell(refund_outcome(id.as_u128(), heard, self.now)).unwrap();
    }

    /// Charges that took money, and refunds that gave it back.
    fn provider_books(&self) -> (usize, usize) {
        let taken = self.charges.values().filter(|it| **it == Charged::Succeeded).count();
        (taken, self.refunds.values().filter(|is_done| **is_done).count())
    }

    fn our_books(&self) -> (usize, usize) {
        let payment = &self.story.payment;
        let given = payment.refunds.iter().filter(|it| it.state == RefundState::Done).count();
        (usize::from(payment.settlement.is_some()), given)
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let charge = prop_oneof![
        Just(Charged::Succeeded),
        Just(Charged::Declined),
        Just(Charged::ActionRequired),
    ];
    let one = prop_oneof![
        4 => (any::<bool>(), any::<bool>(), charge)
            .prop_map(|(reaches, answers, charge)| Move::Pay { reaches, answers, charge }),
        1 => Just(Move::Arrive),
        3 => any::<bool>().prop_map(|answers| Move::Resolve { answers }),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(approves, answers)| Move::Confirm { approves, answers }),
        1 => Just(Move::MakeWay),
        1 => Just(Move::Close),
        2 => (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(reaches, answers, is_refused)| Move::Refund { reaches, answers, is_refused }
        ),
        2 => any::<bool>().prop_map(|answers| Move::DriveRefund { answers }),
        1 => (1_i64..400).prop_map(|seconds| Move::Wait { seconds }),
    ];
    prop::collection::vec(one, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn our_books_are_those_of_the_provider(moves in moves()) {
        let mut world = World::default();
        world.story.tell(open(5000)).unwrap();
        for a_move in moves {
            world.make(a_move);
            let live = world.story.payment.attempts.iter().filter(|it| it.is_live()).count();
            prop_assert!(live <= 1, "at most one attempt may take money");
            let (taken, given) = world.provider_books();
            prop_assert!(taken <= 1, "money is taken once");
            prop_assert!(given <= taken, "and given back once");
            let is_asleep_with_open_ends =
                world.story.payment.wake_at().is_none() && live > 0;
            prop_assert!(!is_asleep_with_open_ends, "whoever does not know asks");
        }
        // What was lost on the way arrives, and the payment asks until it knows.
        while !world.on_the_way.is_empty() {
            world.make(Move::Arrive);
        }
        world.make(Move::Close);
        world.resolve(true);
        world.make(Move::DriveRefund { answers: true });
        prop_assert_eq!(world.our_books(), world.provider_books());
        let is_settled_once =
            world.story.events.iter().filter(|it| matches!(it, Event::Settled { .. })).count() <= 1;
        prop_assert!(is_settled_once);
    }

    #[test]
    fn events_read_back_give_the_same_payment(moves in moves()) {
        let mut world = World::default();
        world.story.tell(open(5000)).unwrap();
        for a_move in moves {
            world.make(a_move);
        }
        let mut replayed = Payment::default();
        for event in &world.story.events {
            let text = serde_json::to_string(event).unwrap();
            replayed.evolve(&serde_json::from_str(&text).unwrap());
        }
        prop_assert_eq!(replayed, world.story.payment);
    }
}
