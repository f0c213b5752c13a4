//! Whatever goes on between a payment and a provider, over a line that loses, delays and repeats:
//! money is taken once, no more is given back than was taken, and in the end both have the same books.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const PRICE: i64 = 5000;

/// What may go on.
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
    /// The provider's hint to look at an attempt, and at the refunds.
    Webhook {
        attempt: usize,
    },
    /// A hint whose look at the refunds takes its time.
    Look,
    /// What was seen then is taken in.
    TakeIn,
    Confirm {
        approves: bool,
        answers: bool,
    },
    MakeWay,
    Close,
    Refund {
        amount: Option<i64>,
        reaches: bool,
        answers: bool,
        is_refused: bool,
    },
    /// A refund is taken up that nobody is busy with.
    TakeUp {
        refund: usize,
        answers: bool,
        is_refused: bool,
    },
    /// Somebody gives money back at the provider.
    RefundThere {
        amount: i64,
    },
    /// A bank sends money back that was given back.
    SendBack {
        refund: usize,
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
    fn outcome(self, id: Uuid) -> Outcome {
        match self {
            Self::Succeeded => Outcome::Succeeded { reference: id.to_string() },
            Self::Declined => Outcome::Declined { reason: Decline::Declined },
            Self::ActionRequired => action_required(),
            Self::Cancelled => Outcome::Cancelled,
        }
    }
}

/// What a provider has in its books about a refund.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Given {
    amount: i64,
    state: GivenState,
    is_ours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum GivenState {
    Done,
    Refused,
}

/// All refunds of the provider, as they stood when it was asked for them.
type Seen = Vec<(Uuid, Given)>;

impl GivenState {
    fn outcome(self) -> RefundOutcome {
        match self {
            Self::Done => RefundOutcome::Done,
            Self::Refused => RefundOutcome::Failed { reason: "no".to_owned() },
        }
    }
}

/// A payment and a provider that keeps its promises, over a line that does not.
#[derive(Default)]
struct World {
    story: Story,
    charges: HashMap<Uuid, Charged>,
    refunds: HashMap<Uuid, Given>,
    charges_on_the_way: Vec<(Uuid, Charged)>,
    refunds_on_the_way: Vec<(Uuid, i64)>,
    seen_and_not_taken_in: Vec<Seen>,
    now: i64,
    next_id: u128,
}

impl World {
    fn id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(1000 + self.next_id)
    }

    fn hear(&mut self, id: Uuid, answers: bool) {
        let answer = self.charges[&id].outcome(id);
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

    /// The provider gives back what it has, once for each id.
    fn give(&mut self, id: Uuid, amount: i64, is_ours: bool, is_refused: bool) {
        let is_covered = self.given() + amount <= self.taken();
        let state = if is_covered && !is_refused { GivenState::Done } else { GivenState::Refused };
        self.refunds.entry(id).or_insert(Given { amount, state, is_ours });
    }

    fn taken(&self) -> i64 {
        let taken = self.charges.values().filter(|it| **it == Charged::Succeeded).count();
        PRICE * i64::try_from(taken).unwrap()
    }

    fn given(&self) -> i64 {
        let done = self.refunds.values().filter(|it| it.state == GivenState::Done);
        done.map(|it| it.amount).sum()
    }

    /// What is seen when the provider is asked for its refunds.
    fn look(&self) -> Seen {
        self.refunds.iter().map(|(id, given)| (*id, *given)).collect()
    }

    fn take_in_external_refunds(&mut self, seen: &Seen) {
        let listed = seen.iter().map(|(id, it)| ListedRefund {
            id: it.is_ours.then_some(*id),
            refund: ExternalRefund {
                reference: id.to_string(),
                amount: euros(it.amount),
                counts: it.state == GivenState::Done,
            },
        });
        let command =
            Command::RecordExternalRefunds { listed: listed.collect(), at: second(self.now) };
        self.story.tell(command).unwrap();
    }

    fn take_in(&mut self, seen: &Seen) {
        for (id, given) in seen.iter().filter(|(_, it)| it.is_ours) {
            let heard = given.state.outcome();
            self.story.tell(refund_outcome(id.as_u128(), heard, self.now)).unwrap();
        }
        self.take_in_external_refunds(seen);
    }

    fn hear_of_refund(&mut self, id: Uuid, answers: bool) {
        let state = self.refunds[&id].state;
        let heard = if answers { state.outcome() } else { RefundOutcome::Unknown };
        if matches!(heard, RefundOutcome::Failed { .. }) {
            self.take_in_external_refunds(&self.look());
        }
        self.story.tell(refund_outcome(id.as_u128(), heard, self.now)).unwrap();
    }

    fn take_up(&mut self, place: usize, answers: bool, is_refused: bool) {
        let refunds = &self.story.payment.refunds;
        let Some(refund) = refunds.get(place % refunds.len().max(1)) else { return };
        let (mut id, amount, state) = (refund.id, refund.amount.amount, refund.state);
        match state {
            RefundState::Failed => {
                let again = self.id();
                let (ask_at, at) = (second(self.now + 5), second(self.now));
                let command = Command::RepeatRefund { of: id, refund_id: again, ask_at, at };
                if self.story.tell(command).unwrap().is_empty() {
                    return;
                }
                id = again;
                self.give(id, amount, true, is_refused);
            }
            RefundState::Created => self.give(id, amount, true, is_refused),
            RefundState::InTransit
            | RefundState::Done
            | RefundState::Cancelled
            | RefundState::External => return,
        }
        self.hear_of_refund(id, answers);
    }

    fn webhook(&mut self, attempt: usize) {
        let attempts = &self.story.payment.attempts;
        if let Some(id) = attempts.get(attempt % attempts.len().max(1)).map(|it| it.id)
            && self.charges.contains_key(&id)
        {
            self.hear(id, true);
        }
        self.take_in(&self.look());
    }

    fn refund(&mut self, amount: Option<i64>, reaches: bool, answers: bool, is_refused: bool) {
        let id = self.id();
        let begun = self.story.tell(refund_of(id.as_u128(), amount, self.now));
        let amount = begun.unwrap_or_default().iter().find_map(|event| match event {
            Event::RefundBegun { amount, .. } => Some(amount.amount),
            _ => None,
        });
        let Some(amount) = amount else { return };
        if !reaches {
            self.refunds_on_the_way.push((id, amount));
            return;
        }
        self.give(id, amount, true, is_refused);
        self.hear_of_refund(id, answers);
    }

    fn arrive(&mut self) {
        if let Some((id, charge)) = self.charges_on_the_way.pop() {
            self.charges.entry(id).or_insert(charge);
        }
        if let Some((id, amount)) = self.refunds_on_the_way.pop() {
            self.give(id, amount, true, false);
        }
    }

    fn confirm(&mut self, approves: bool, answers: bool) {
        let live = self.story.payment.live_attempt();
        let Some(id) = live.map(|attempt| attempt.id) else { return };
        let (ask_at, at) = (second(self.now + 5), second(self.now));
        if self.story.tell(Command::TakeAction { attempt_id: id, ask_at, at }).is_err() {
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

    fn pay(&mut self, reaches: bool, answers: bool, charge: Charged) {
        let id = self.id();
        if self.story.tell(begin(id, self.now)).is_err() {
            return;
        }
        if !reaches {
            self.charges_on_the_way.push((id, charge));
            return;
        }
        self.charges.insert(id, charge);
        self.hear(id, answers);
    }

    fn make(&mut self, a_move: Move) {
        match a_move {
            Move::Pay { reaches, answers, charge } => self.pay(reaches, answers, charge),
            Move::Arrive => self.arrive(),
            Move::Resolve { answers } => self.resolve(answers),
            Move::Webhook { attempt } => self.webhook(attempt),
            Move::Look => self.seen_and_not_taken_in.push(self.look()),
            Move::TakeIn => {
                if let Some(seen) = self.seen_and_not_taken_in.pop() {
                    self.take_in(&seen);
                }
            }
            Move::Confirm { approves, answers } => self.confirm(approves, answers),
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
            Move::Refund { amount, reaches, answers, is_refused } => {
                self.refund(amount, reaches, answers, is_refused);
            }
            Move::TakeUp { refund, answers, is_refused } => {
                self.take_up(refund, answers, is_refused);
            }
            Move::RefundThere { amount } => {
                let id = self.id();
                if self.given() + amount <= self.taken() {
                    self.give(id, amount, false, false);
                }
            }
            Move::SendBack { refund } => {
                let mut ids: Vec<Uuid> = self.refunds.keys().copied().collect();
                ids.sort();
                let chosen = ids.get(refund % ids.len().max(1));
                if let Some(given) = chosen.and_then(|id| self.refunds.get_mut(id)) {
                    given.state = GivenState::Refused;
                }
            }
            Move::Wait { seconds } => self.now += seconds,
        }
    }

    /// What was lost arrives, and the payment asks until it knows everything.
    fn come_to_rest(&mut self) {
        while !self.charges_on_the_way.is_empty() || !self.refunds_on_the_way.is_empty() {
            self.arrive();
        }
        while !self.seen_and_not_taken_in.is_empty() {
            self.make(Move::TakeIn);
        }
        self.make(Move::Close);
        self.resolve(true);
        for _ in 0..3 {
            let attempts = self.story.payment.attempts.len();
            (0..attempts).for_each(|attempt| self.webhook(attempt));
            let refunds = self.story.payment.refunds.len();
            (0..refunds).for_each(|refund| self.take_up(refund, true, false));
        }
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let charge = prop_oneof![
        Just(Charged::Succeeded),
        Just(Charged::Declined),
        Just(Charged::ActionRequired),
    ];
    let amount = prop::option::of(1_i64..=PRICE + 1000);
    let one = prop_oneof![
        4 => (any::<bool>(), any::<bool>(), charge)
            .prop_map(|(reaches, answers, charge)| Move::Pay { reaches, answers, charge }),
        2 => Just(Move::Arrive),
        3 => any::<bool>().prop_map(|answers| Move::Resolve { answers }),
        2 => (0_usize..8).prop_map(|attempt| Move::Webhook { attempt }),
        2 => Just(Move::Look),
        2 => Just(Move::TakeIn),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(approves, answers)| Move::Confirm { approves, answers }),
        1 => Just(Move::MakeWay),
        1 => Just(Move::Close),
        5 => (amount, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(amount, reaches, answers, is_refused)| {
                Move::Refund { amount, reaches, answers, is_refused }
            }
        ),
        3 => (0_usize..8, any::<bool>(), any::<bool>()).prop_map(
            |(refund, answers, is_refused)| Move::TakeUp { refund, answers, is_refused }
        ),
        1 => (1_i64..PRICE).prop_map(|amount| Move::RefundThere { amount }),
        1 => (0_usize..8).prop_map(|refund| Move::SendBack { refund }),
        1 => (1_i64..400).prop_map(|seconds| Move::Wait { seconds }),
    ];
    prop::collection::vec(one, 0..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn our_books_are_those_of_the_provider(moves in moves()) {
        let mut world = World::default();
        world.story.tell(open(PRICE)).unwrap();
        for a_move in moves {
            world.make(a_move);
            let payment = &world.story.payment;
            let live = payment.attempts.iter().filter(|it| it.is_live()).count();
            prop_assert!(live <= 1, "at most one attempt may take money");
            prop_assert!(world.taken() <= PRICE, "money is taken once");
            prop_assert!(world.given() <= world.taken(), "no more is given back than was taken");
            let asks = payment.wake_at().is_some();
            let waits = payment.refunds.iter().any(|it| it.state == RefundState::Created);
            prop_assert!(asks || !(live > 0 || waits), "whoever does not know asks");
        }
        world.come_to_rest();
        let payment = &world.story.payment;
        let received = payment.received().map_or(0, |received| received.amount);
        prop_assert_eq!(received, world.taken());
        prop_assert_eq!(payment.refunded(), world.given());
        prop_assert!(payment.surplus.is_empty());
        let settled =
            world.story.events.iter().filter(|it| matches!(it, Event::Settled { .. })).count();
        prop_assert!(settled <= 1);
    }

    #[test]
    fn what_is_asked_for_at_once_never_exceeds_what_was_received(
        amounts in prop::collection::vec(prop::option::of(1_i64..4000), 1..20),
    ) {
        let mut story = Story::of(paid());
        for (number, amount) in (100..).zip(amounts) {
            drop(story.tell(refund_of(number, amount, 10)));
            let asked: i64 = story.payment.refunds.iter().map(|it| it.amount.amount).sum();
            prop_assert!(asked <= PRICE);
            prop_assert_eq!(story.payment.left(), PRICE - asked);
        }
    }

    #[test]
    fn others_are_told_what_the_books_say(moves in moves()) {
        let mut world = World::default();
        world.story.tell(open(PRICE)).unwrap();
        for a_move in moves {
            world.make(a_move);
        }
        world.come_to_rest();
        let mut replayed = Payment::default();
        for event in &world.story.events {
            replayed.evolve(event);
            let told = match event {
                Event::RefundDone { told, .. }
                | Event::RefundFailed { told, .. }
                | Event::RefundCancelled { told, .. } => *told,
                Event::ExternalRefund { told, .. } => Some(*told),
                _ => None,
            };
            if let Some(told) = told {
                prop_assert_eq!(told.total, euros(replayed.refunded()), "{:?}", event);
                prop_assert_eq!(told.whole, replayed.refunded() >= PRICE);
            }
        }
    }

    #[test]
    fn events_read_back_give_the_same_payment(moves in moves()) {
        let mut world = World::default();
        world.story.tell(open(PRICE)).unwrap();
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
