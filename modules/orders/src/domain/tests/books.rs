//! Whatever happens, money and tickets agree in the end. A small world of the other services keeps
//! its own books; replies get lost, and steps are taken again.

use std::collections::BTreeMap;

use proptest::prelude::*;

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

#[derive(Debug, Default)]
struct Till {
    is_open: bool,
    is_closed: bool,
    received: i64,
    refunds: BTreeMap<Option<Uuid>, i64>,
}

impl Till {
    fn refunded(&self) -> i64 {
        self.refunds.values().sum()
    }

    fn left(&self) -> i64 {
        self.received - self.refunded()
    }

    /// As payments does it: the same refund again is the first one.
    fn refund(&mut self, id: Option<Uuid>, amount: i64) -> i64 {
        let left = self.left();
        match id {
            None => {
                *self.refunds.entry(None).or_default() += left;
                left
            }
            Some(_) => *self.refunds.entry(id).or_insert(amount.min(left)),
        }
    }
}

impl World {
    /// Does what the step asks for, and says what came of it.
    fn do_step(&mut self, order: &Order, step: Step, has_room: bool, at: Timestamp) -> Command {
        let all = || 1..=3;
        match step {
            Step::OpenPayment => self.payment.is_open = true,
            Step::ConfirmPlaces if !has_room => return Command::RecordNoRoom { at },
            Step::IssueTickets => self.issued = true,
            Step::ClosePayment if self.payment.received > 0 => return pay(at.as_second()),
            Step::ClosePayment => self.payment.is_closed = true,
            Step::VoidTickets => self.void.extend(all()),
            Step::ReleasePlaces => self.free.extend(all()),
            Step::ReturnMoney => {
                self.payment.refund(None, 0);
            }
            Step::VoidPositions | Step::ReleasePositions | Step::RefundPositions => {
                let due = order.due_return().expect("a return is due").clone();
                let what = match step {
                    Step::VoidPositions => {
                        self.void.extend(&due.positions);
                        Returned::Tickets
                    }
                    Step::ReleasePositions => {
                        self.free.extend(&due.positions);
                        Returned::Places
                    }
                    _ => {
                        let id = Some(due.return_id);
                        Returned::Money(euros(self.payment.refund(id, due.amount.amount)))
                    }
                };
                return Command::RecordReturned { return_id: due.return_id, what, at };
            }
            Step::HoldPlaces | Step::ConfirmPlaces | Step::Finish => {}
        }
        success(order, step, at)
    }

    fn valid(&self) -> BTreeSet<u32> {
        if self.issued {
            (1..=3).filter(|it| !self.void.contains(it)).collect()
        } else {
            BTreeSet::new()
        }
    }
}

/// What may happen.
#[derive(Debug, Clone)]
enum Happening {
    /// A step is taken; its outcome may be lost.
    Step {
        is_lost: bool,
        has_room: bool,
    },
    Pay,
    Expire,
    Cancel(Cause),
    CancelSome(Vec<u32>),
    /// The organizer gives some money back by hand.
    Gesture(i64),
    /// Or all of it.
    RefundAll,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (prop::bool::weighted(0.2), prop::bool::weighted(0.7))
            .prop_map(|(is_lost, has_room)| Happening::Step { is_lost, has_room }),
        3 => Just(Happening::Pay),
        1 => Just(Happening::Expire),
        1 => prop::sample::select(vec![
            Cause::BuyerCancelled, Cause::OrganizerCancelled, Cause::EventCancelled,
        ]).prop_map(Happening::Cancel),
        2 => prop::collection::vec(1_u32..4, 1..3).prop_map(Happening::CancelSome),
        1 => (1_i64..6000).prop_map(Happening::Gesture),
        1 => Just(Happening::RefundAll),
    ]
}

struct Story {
    order: Order,
    world: World,
    log: Vec<Event>,
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
        match happening {
            Happening::Step { is_lost, has_room } => {
                let Some(step) = self.order.next_step() else { return };
                let outcome = self.world.do_step(&self.order, step, has_room, at);
                if !is_lost {
                    self.tell(outcome);
                }
            }
            Happening::Pay => {
                let till = &mut self.world.payment;
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
            Happening::Gesture(cents) => self.gesture(cents.min(self.world.payment.left()), at),
            Happening::RefundAll => self.gesture(self.world.payment.left(), at),
        }
    }

    fn gesture(&mut self, cents: i64, at: Timestamp) {
        if cents == 0 {
            return;
        }
        self.has_gestures = true;
        let refund_id = Some(Uuid::from_u128(u128::from(self.now.unsigned_abs())));
        self.world.payment.refund(refund_id, cents);
        let whole = self.world.payment.left() == 0;
        self.tell(Command::RecordRefund { refund_id, amount: euros(cents), whole, at });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_money_and_tickets_agree_in_the_end(
        happenings in prop::collection::vec(happening(), 0..50),
    ) {
        let mut story = Story {
            order: Order::default(),
            world: World::default(),
            log: Vec::new(),
            now: 0,
            has_gestures: false,
        };
        story.tell(place());
        for happening in happenings {
            story.happens(happening);
        }
        for _ in 0..40 {
            story.happens(Happening::Step { is_lost: false, has_room: true });
        }

        let Story { order, world, log, has_gestures, .. } = story;
        prop_assert_eq!(order.next_step(), None, "it comes to an end: {:?}", order);
        let Till { received, .. } = world.payment;
        prop_assert_eq!(order.received(), Some(euros(received)));
        prop_assert_eq!(order.refunded(), Some(euros(world.payment.refunded())));
        prop_assert_eq!(order.overpaid(), Some(euros(0)), "no money is left lying about");
        let valid = world.valid();
        let worth = terms().price_of(&valid).amount;
        let kept = world.payment.left();
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

        let mut replayed = Order::default();
        for event in &log {
            replayed.evolve(event);
        }
        prop_assert_eq!(replayed, order);
    }
}
