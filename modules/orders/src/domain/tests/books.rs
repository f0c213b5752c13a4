//! Whatever happens, money and tickets agree in the end. A small world of the other services keeps
//! its own books; replies get lost or come late, news lags, banks send money back, and steps are
//! taken again.

mod till;

use proptest::prelude::*;

use self::till::Till;
use super::*;

/// What the other services have done for one order.
#[derive(Debug, Default)]
struct World {
    payment: Till,
    issued: bool,
    void: BTreeSet<u32>,
    /// Places that were given back, by position; all with the hold.
    free: BTreeSet<u32>,
}

impl World {
    /// Does what the step asks for, and says what came of it, if that is known.
    fn do_step(&mut self, order: &Order, step: Step, fate: Fate, at: Timestamp) -> Option<Command> {
        let returned = |return_id, what| Some(Command::RecordReturned { return_id, what, at });
        let positions = |id| order.return_with(id).expect("it is due").positions.clone();
        match step {
            Step::OpenPayment => self.payment.is_open = true,
            Step::ConfirmPlaces if !fate.has_room => return Some(Command::RecordNoRoom { at }),
            Step::IssueTickets => self.issued = true,
            Step::ClosePayment if self.payment.received > 0 => return Some(pay(at.as_second())),
            Step::ClosePayment => self.payment.is_open = false,
            Step::VoidTickets => self.void.extend(1..=3),
            Step::ReleasePlaces => self.free.extend(1..=3),
            Step::ReturnMoney if !self.payment.refund_all(fate.is_quick, at) => return None,
            Step::VoidPositions(id) => {
                self.void.extend(positions(id));
                return returned(id, Returned::Tickets);
            }
            Step::ReleasePositions(id) => {
                self.free.extend(positions(id));
                return returned(id, Returned::Places);
            }
            Step::RefundPositions(id) => {
                return returned(id, self.refund_positions(order, id, fate.is_quick, at)?);
            }
            Step::HoldPlaces | Step::ReturnMoney | Step::ConfirmPlaces | Step::Finish => {}
        }
        Some(success(order, step, at))
    }

    fn refund_positions(
        &mut self,
        order: &Order,
        id: Uuid,
        is_quick: bool,
        at: Timestamp,
    ) -> Option<Returned> {
        let left = self.payment.left();
        if !self.payment.knows(id) && left == 0 {
            return Some(Returned::Money { refund_id: None, amount: euros(0) });
        }
        let price = order.return_with(id)?.amount.amount;
        let line = self.payment.refund(id, price.min(left), is_quick, at);
        let money = Returned::Money { refund_id: Some(line.id), amount: euros(line.amount) };
        line.is_done.then_some(money)
    }

    fn valid(&self) -> BTreeSet<u32> {
        if self.issued {
            (1..=3).filter(|it| !self.void.contains(it)).collect()
        } else {
            BTreeSet::new()
        }
    }
}

/// How a step goes.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// Its outcome is not recorded now; maybe later.
    is_late: bool,
    has_room: bool,
    /// Money arrives at once.
    is_quick: bool,
}

const WELL: Fate = Fate { is_late: false, has_room: true, is_quick: true };

/// What may happen.
#[derive(Debug, Clone)]
enum Happening {
    Step(Fate),
    /// An outcome that was late is recorded now.
    Late(prop::sample::Index),
    /// Orders hears what payments told.
    Hear,
    /// Money that is on its way back arrives.
    Arrive,
    /// The bank refuses money, or sends it back.
    Bounce {
        which: prop::sample::Index,
        will_retry: bool,
    },
    /// Payments tries again.
    Repeat,
    Pay,
    Expire,
    Cancel(Cause),
    CancelSome(Vec<u32>),
    /// The organizer gives some money back by hand.
    Gesture {
        cents: i64,
        is_quick: bool,
    },
    /// Or all of it.
    RefundAll,
}

fn happening() -> impl Strategy<Value = Happening> {
    let fate = (prop::bool::weighted(0.25), prop::bool::weighted(0.8), prop::bool::weighted(0.6))
        .prop_map(|(is_late, has_room, is_quick)| Fate { is_late, has_room, is_quick });
    prop_oneof![
        10 => fate.prop_map(Happening::Step),
        2 => any::<prop::sample::Index>().prop_map(Happening::Late),
        4 => Just(Happening::Hear),
        2 => Just(Happening::Arrive),
        2 => (any::<prop::sample::Index>(), prop::bool::weighted(0.7))
            .prop_map(|(which, will_retry)| Happening::Bounce { which, will_retry }),
        1 => Just(Happening::Repeat),
        3 => Just(Happening::Pay),
        1 => Just(Happening::Expire),
        1 => prop::sample::select(vec![
            Cause::BuyerCancelled, Cause::OrganizerCancelled, Cause::EventCancelled,
        ]).prop_map(Happening::Cancel),
        2 => prop::collection::vec(1_u32..4, 1..3).prop_map(Happening::CancelSome),
        1 => (1_i64..6000, any::<bool>())
            .prop_map(|(cents, is_quick)| Happening::Gesture { cents, is_quick }),
        1 => Just(Happening::RefundAll),
    ]
}

#[derive(Default)]
struct Story {
    order: Order,
    world: World,
    log: Vec<Event>,
    late: Vec<Command>,
    now: i64,
    has_gestures: bool,
}

impl Story {
    fn tell(&mut self, command: Command) {
        for event in self.order.decide(command).unwrap_or_default() {
            self.order.evolve(&event);
            self.log.push(event);
        }
    }

    fn happens(&mut self, happening: Happening) {
        self.now += 100;
        let at = second(self.now);
        let till = &mut self.world.payment;
        match happening {
            Happening::Step(fate) => self.step(fate, at),
            Happening::Late(which) if !self.late.is_empty() => {
                let outcome = self.late.remove(which.index(self.late.len()));
                self.tell(outcome);
            }
            Happening::Late(_) => {}
            Happening::Hear => {
                if let Some(news) = till.next_news() {
                    self.tell(news);
                }
            }
            Happening::Arrive => {
                till.arrive(None, at);
            }
            Happening::Bounce { which, will_retry } => till.bounce(which, will_retry, at),
            Happening::Repeat => {
                till.repeat(at);
            }
            Happening::Pay => {
                if till.is_open && till.received == 0 {
                    till.received = terms().total.amount;
                    self.tell(pay(self.now));
                }
            }
            Happening::Expire => self.tell(Command::Expire { at }),
            Happening::Cancel(cause) => self.tell(cancel(cause, &[], self.now)),
            Happening::CancelSome(positions) => {
                self.tell(cancel(Cause::OrganizerCancelled, &positions, self.now));
            }
            Happening::Gesture { cents, is_quick } => self.gesture(cents, is_quick, at),
            Happening::RefundAll => self.gesture(i64::MAX, true, at),
        }
    }

    fn step(&mut self, fate: Fate, at: Timestamp) {
        let Some(step) = self.order.next_step() else { return };
        let Some(outcome) = self.world.do_step(&self.order, step, fate, at) else { return };
        if fate.is_late { self.late.push(outcome) } else { self.tell(outcome) }
    }

    fn gesture(&mut self, cents: i64, is_quick: bool, at: Timestamp) {
        let cents = cents.min(self.world.payment.left());
        if cents > 0 {
            self.has_gestures = true;
            self.world.payment.give(cents, is_quick, at);
        }
    }

    /// Everything that is under way comes to its end; what nobody does by itself, the organizer does.
    fn ends(&mut self) {
        for outcome in std::mem::take(&mut self.late) {
            self.tell(outcome);
        }
        for _ in 0..60 {
            let at = second(self.now);
            while self.world.payment.repeat(at) || self.world.payment.arrive(None, at) {}
            while let Some(news) = self.world.payment.next_news() {
                self.tell(news);
            }
            self.happens(Happening::Step(WELL));
            let overpaid = self.order.overpaid().map_or(0, |money| money.amount);
            if self.order.next_step().is_none() && overpaid > 0 {
                self.world.payment.give(overpaid.min(self.world.payment.left()), true, at);
            }
        }
    }
}

/// What others are told of money that went back.
fn announced(event: &Event) -> Option<Money> {
    match event {
        Event::PositionsRefunded { news, .. }
        | Event::MoneyGivenBack { news, .. }
        | Event::MoneyReturned { news, .. } => *news,
        Event::CalledOff { cause: Cause::Refunded, money, .. } => *money,
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn whatever_happens_money_and_tickets_agree_in_the_end(
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut story = Story::default();
        story.tell(place());
        for happening in happenings {
            story.happens(happening);
            let (received, refunded) = (story.order.received(), story.order.refunded());
            prop_assert!(refunded.map(|it| it.amount) <= received.map(|it| it.amount));
        }
        story.ends();

        let Story { order, world, log, has_gestures, .. } = story;
        prop_assert_eq!(order.next_step(), None, "it comes to an end: {:?}", order);
        prop_assert!(!order.refund_is_stuck());
        let (received, refunded) = (world.payment.received, world.payment.refunded());
        prop_assert_eq!(order.received(), Some(euros(received)));
        prop_assert_eq!(order.refunded(), Some(euros(refunded)));
        prop_assert_eq!(order.overpaid(), Some(euros(0)), "no money is left lying about");
        let valid = world.valid();
        let worth = terms().price_of(&valid).amount;
        let kept = received - refunded;
        prop_assert!(kept <= worth, "money without tickets: {kept} for {worth}");
        if !has_gestures {
            prop_assert_eq!(kept, worth, "tickets without money");
        }
        let shown = order.positions();
        let live = shown.iter().filter(|it| !it.cancelled).map(|it| it.position);
        if order.state == OrderState::Fulfilled {
            prop_assert_eq!(live.collect::<BTreeSet<u32>>(), valid);
        } else {
            prop_assert!(valid.is_empty());
        }
        prop_assert!(world.free.iter().all(|it| !world.valid().contains(it)), "sold twice");
        let ends = log.iter().filter(|it| matches!(it, Event::Ended { confirmed: Some(_), .. }));
        prop_assert!(ends.count() <= 1, "others are told of the end once");
        let told: i64 = log.iter().filter_map(announced).map(|money| money.amount).sum();
        prop_assert!((refunded..=received).contains(&told), "others are told of it once: {told}");

        let mut replayed = Order::default();
        for event in &log {
            replayed.evolve(event);
        }
        prop_assert_eq!(replayed, order);
    }
}
