use iso_currency::Currency;
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn second(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn terms() -> Terms {
    let price = Money::new(2500, Currency::EUR);
    Terms {
        order_code: "K7MPX2QA".to_owned(),
        buyer_id: Uuid::from_u128(1),
        organizer_id: Uuid::from_u128(2),
        event_id: Uuid::from_u128(3),
        event_name: "Winter Concert".to_owned(),
        starts_at: second(1_000_000),
        venue_name: "Town Hall".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        hold_id: Uuid::from_u128(4),
        items: vec![OrderedItem {
            ticket_type_id: Uuid::from_u128(5),
            name: "Stalls".to_owned(),
            quantity: 2,
            unit_price: price,
        }],
        total: Money::new(5000, Currency::EUR),
    }
}

fn tell(order: &mut Order, command: Command) -> Result<usize, Rejection> {
    let events = order.decide(command)?;
    for event in &events {
        order.evolve(event);
    }
    Ok(events.len())
}

fn tell_all(order: &mut Order, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        tell(order, command.clone()).unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"));
    }
}

fn place() -> Command {
    Command::Place { terms: terms(), at: second(0) }
}

fn hold() -> Command {
    Command::RecordHold { expires_at: second(900), at: second(1) }
}

fn open() -> Command {
    Command::RecordPaymentOpened { payment_id: Uuid::from_u128(9), at: second(2) }
}

fn pay(at: i64) -> Command {
    Command::RecordPayment { payment_id: Uuid::from_u128(9), amount: terms().total, at: second(at) }
}

fn confirm() -> Command {
    Command::RecordConfirmation { at: second(20) }
}

fn issue() -> Command {
    Command::RecordTickets {
        ticket_ids: vec![Uuid::from_u128(21), Uuid::from_u128(22)],
        at: second(21),
    }
}

fn after(commands: impl IntoIterator<Item = Command>) -> Order {
    let mut order = Order::default();
    tell_all(&mut order, commands);
    order
}

/// Asks for every step that is due and lets it succeed, until none is.
fn undo_all(order: &mut Order) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(step) = order.next_step() {
        assert!(steps.len() < 10, "the order does not come to an end: {steps:?}");
        steps.push(step);
        tell_all(order, [success(step, second(5000))]);
    }
    steps
}

fn success(step: Step, at: Timestamp) -> Command {
    match step {
        Step::HoldPlaces => {
            Command::RecordHold { expires_at: at + SignedDuration::from_mins(15), at }
        }
        Step::OpenPayment => Command::RecordPaymentOpened { payment_id: Uuid::from_u128(9), at },
        Step::ConfirmPlaces => Command::RecordConfirmation { at },
        Step::IssueTickets => Command::RecordTickets { ticket_ids: vec![Uuid::from_u128(21)], at },
        Step::ClosePayment => Command::RecordPaymentClosed { at },
        Step::VoidTickets => Command::RecordTicketsVoided { at },
        Step::ReturnMoney => Command::RecordRefund { at },
        Step::ReleasePlaces => Command::RecordPlacesReleased { at },
        Step::Finish => Command::Finish { at },
    }
}

#[test]
fn a_purchase_goes_from_placed_to_fulfilled() {
    let mut order = after([place()]);
    assert_eq!(order.next_step(), Some(Step::HoldPlaces));
    tell_all(&mut order, [hold()]);
    assert_eq!(order.next_step(), Some(Step::OpenPayment));
    tell_all(&mut order, [open()]);
    assert_eq!((order.state, order.next_step()), (OrderState::Held, None));
    tell_all(&mut order, [pay(10)]);
    assert_eq!(order.next_step(), Some(Step::ConfirmPlaces));
    tell_all(&mut order, [confirm()]);
    assert_eq!(order.next_step(), Some(Step::IssueTickets));
    tell_all(&mut order, [issue()]);
    assert_eq!((order.state, order.next_step()), (OrderState::Fulfilled, None));
    assert_eq!(order.wake_at(), None);
}

#[test]
fn a_step_that_is_due_wakes_the_order_should_nobody_ask_for_it() {
    let order = after([place(), hold()]);
    assert_eq!(order.wake_at(), Some(second(1 + 5)));
}

#[test]
fn money_wakes_the_order_at_once() {
    let order = after([place(), hold(), open(), pay(10)]);
    assert_eq!(order.wake_at(), Some(second(10)));
}

#[test]
fn an_order_that_waits_for_money_wakes_when_its_time_is_up() {
    let order = after([place(), hold(), open()]);
    assert_eq!(order.wake_at(), Some(second(900)));
}

#[test]
fn the_same_purchase_placed_again_is_the_first_one() {
    let mut order = after([place()]);
    let drawn_anew = Terms { order_code: "ZZZZZZZZ".to_owned(), ..terms() };
    assert_eq!(tell(&mut order, Command::Place { terms: drawn_anew, at: second(9) }), Ok(0));
    let another = Terms { buyer_id: Uuid::from_u128(77), ..terms() };
    let placed = tell(&mut order, Command::Place { terms: another, at: second(9) });
    assert_eq!(placed, Err(Rejection::Differs));
}

#[test]
fn an_order_without_room_is_over_at_once() {
    let order = after([
        place(),
        Command::RecordRefusal { cause: Cause::SoldOut, shortage: None, at: second(1) },
    ]);
    assert_eq!(order.next_step(), None);
    assert_eq!((order.state, order.cause), (OrderState::Cancelled, Some(Cause::SoldOut)));
}

#[test]
fn an_order_that_is_not_paid_in_time_expires_after_its_payment_is_closed() {
    let mut order = after([place(), hold(), open()]);
    assert_eq!(tell(&mut order, Command::Expire { at: second(899) }), Ok(0));
    tell_all(&mut order, [Command::Expire { at: second(900) }]);
    assert_eq!(undo_all(&mut order), [Step::ClosePayment, Step::Finish]);
    assert_eq!(order.state, OrderState::Expired);
}

#[test]
fn a_buyer_who_cancels_before_paying_frees_the_places() {
    let mut order = after([place(), hold(), open()]);
    tell_all(&mut order, [Command::Cancel { cause: Cause::BuyerCancelled, at: second(30) }]);
    assert_eq!(undo_all(&mut order), [Step::ClosePayment, Step::ReleasePlaces, Step::Finish]);
    assert_eq!(order.state, OrderState::Cancelled);
}

#[test]
fn a_buyer_cannot_cancel_what_is_paid_but_the_organizer_can() {
    let mut order = after([place(), hold(), open(), pay(10), confirm(), issue()]);
    let by_buyer =
        tell(&mut order, Command::Cancel { cause: Cause::BuyerCancelled, at: second(30) });
    assert_eq!(by_buyer, Err(Rejection::AlreadyPaid));
    tell_all(&mut order, [Command::Cancel { cause: Cause::OrganizerCancelled, at: second(31) }]);
    let undone = undo_all(&mut order);
    assert_eq!(undone, [Step::VoidTickets, Step::ReturnMoney, Step::ReleasePlaces, Step::Finish]);
}

#[test]
fn a_refund_voids_the_tickets_and_frees_the_places() {
    let mut order = after([place(), hold(), open(), pay(10), confirm(), issue()]);
    tell_all(&mut order, [Command::RecordRefund { at: second(30) }]);
    assert_eq!(undo_all(&mut order), [Step::VoidTickets, Step::ReleasePlaces, Step::Finish]);
    assert_eq!(order.cause, Some(Cause::Refunded));
}

#[test]
fn money_that_comes_after_the_expiry_still_buys_while_there_is_room() {
    let mut order = after([place(), hold(), open(), Command::Expire { at: second(900) }]);
    undo_all(&mut order);
    tell_all(&mut order, [pay(905)]);
    assert_eq!(order.next_step(), Some(Step::ConfirmPlaces));
    tell_all(&mut order, [confirm(), issue()]);
    assert_eq!((order.state, order.cause), (OrderState::Fulfilled, None));
}

#[test]
fn money_that_comes_after_the_places_have_gone_is_returned() {
    let mut order = after([place(), hold(), open(), Command::Expire { at: second(900) }]);
    undo_all(&mut order);
    tell_all(&mut order, [pay(905), Command::RecordNoRoom { at: second(906) }]);
    assert_eq!(undo_all(&mut order), [Step::ReturnMoney, Step::Finish]);
    assert_eq!((order.state, order.cause), (OrderState::Cancelled, Some(Cause::PaidTooLate)));
}

#[test]
fn money_that_comes_while_the_buyer_cancels_is_returned() {
    let mut order = after([place(), hold(), open()]);
    tell_all(
        &mut order,
        [Command::Cancel { cause: Cause::BuyerCancelled, at: second(30) }, pay(31)],
    );
    assert_eq!(undo_all(&mut order), [Step::ReturnMoney, Step::ReleasePlaces, Step::Finish]);
}

#[test]
fn an_outcome_that_is_told_twice_or_too_late_changes_nothing() {
    let mut order = after([place(), hold(), open(), pay(10), confirm(), issue()]);
    for late in [hold(), open(), pay(11), confirm(), issue(), Command::Expire { at: second(2000) }]
    {
        assert_eq!(tell(&mut order, late), Ok(0));
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    (0_usize..16, 0_i64..2000).prop_map(|(which, seconds)| {
        let at = second(seconds);
        match which {
            0 => place(),
            1 => Command::RecordHold { expires_at: second(900), at },
            2 => Command::RecordRefusal { cause: Cause::SoldOut, shortage: None, at },
            3 => Command::RecordPaymentOpened { payment_id: Uuid::from_u128(9), at },
            4 | 5 => pay(seconds),
            6 => Command::RecordConfirmation { at },
            7 => Command::RecordNoRoom { at },
            8 => Command::RecordTickets { ticket_ids: vec![Uuid::from_u128(21)], at },
            9 => Command::Expire { at },
            10 => Command::Cancel { cause: Cause::BuyerCancelled, at },
            11 => Command::Cancel { cause: Cause::OrganizerCancelled, at },
            12 => Command::RecordPaymentClosed { at },
            13 => Command::RecordTicketsVoided { at },
            14 => Command::RecordPlacesReleased { at },
            _ => Command::Finish { at },
        }
    })
}

proptest! {
    #[test]
    fn whatever_happens_the_buyer_ends_with_tickets_or_with_the_money(
        commands in prop::collection::vec(any_command(), 0..60),
    ) {
        let mut order = Order::default();
        let mut log = Vec::new();
        let mut received = 0_i32;
        let mut returned = 0_i32;
        let finish = |order: &Order| order.next_step().map(|step| success(step, second(3000)));
        let mut rest = commands.into_iter();
        for _ in 0..200 {
            let Some(command) = rest.next().or_else(|| finish(&order)) else { break };
            for event in order.decide(command).unwrap_or_default() {
                order.evolve(&event);
                received += i32::from(matches!(event, Event::PaymentReceived { .. }));
                returned += i32::from(matches!(event, Event::MoneyReturned { .. }));
                log.push(event);
            }
        }
        prop_assert_eq!(order.next_step(), None, "it comes to an end: {:?}", order);
        match order.state {
            OrderState::Fulfilled => prop_assert_eq!((received, returned), (1, 0)),
            OrderState::Cancelled | OrderState::Expired => prop_assert_eq!(received, returned),
            OrderState::Held => prop_assert_eq!(received, 0),
            _ => prop_assert!(order.terms.is_none()),
        }

        let mut replayed = Order::default();
        for event in &log {
            replayed.evolve(event);
        }
        prop_assert_eq!(replayed, order);
    }
}
