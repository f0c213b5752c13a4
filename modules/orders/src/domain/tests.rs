mod books;
mod golden;
mod limits;
mod returning;

use contracts::{
    inventory::Places,
    money::{Money, Tax, TaxRounding},
    orders::OrderedItem,
};
use iso_currency::Currency;
use jiff::SignedDuration;

use super::*;

fn second(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn euros(cents: i64) -> Money {
    Money::new(cents, Currency::EUR)
}

fn item(ticket_type: u128, quantity: u32, cents: i64) -> OrderedItem {
    OrderedItem {
        ticket_type_id: Uuid::from_u128(ticket_type),
        name: "Stalls".to_owned(),
        quantity,
        unit_price: euros(cents),
        tax: euros(7 * i64::from(quantity)),
        tax_rate: Tax { rate_basis_points: 700, name: "VAT".to_owned() },
        seats: Vec::new(),
    }
}

/// Two tickets at 25 euros and one at 10.
fn terms() -> Terms {
    Terms {
        order_code: "K7MPX3QA".to_owned(),
        buyer_id: Uuid::from_u128(1),
        organizer_id: Uuid::from_u128(2),
        event_id: Uuid::from_u128(3),
        event_name: "Winter Concert".to_owned(),
        starts_at: second(1_000_000),
        venue_name: "Town Hall".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        hold_id: Uuid::from_u128(4),
        items: vec![item(5, 2, 2500), item(6, 1, 1000)],
        total: euros(6000),
        tax_rounding: TaxRounding::PerLine,
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
    Command::Place { terms: terms(), access: None, at: second(0) }
}

fn hold() -> Command {
    Command::RecordHold { expires_at: second(900), items: terms().places(), at: second(1) }
}

fn open() -> Command {
    let (payment_id, closes_at) = (Uuid::from_u128(9), second(870));
    Command::RecordPaymentOpened { payment_id, closes_at, at: second(2) }
}

fn pay(at: i64) -> Command {
    Command::RecordPayment { payment_id: Uuid::from_u128(9), amount: terms().total, at: second(at) }
}

fn confirm() -> Command {
    Command::RecordConfirmation { at: second(20) }
}

fn issue() -> Command {
    let ticket_ids = (21..24).map(Uuid::from_u128).collect();
    Command::RecordTickets { ticket_ids, at: second(21) }
}

fn cancel(cause: Cause, positions: &[u32], at: i64) -> Command {
    Command::Cancel(Cancel {
        cause,
        reason: String::new(),
        positions: positions.to_vec(),
        return_id: Uuid::from_u128(1000 + u128::from(at.unsigned_abs())),
        at: second(at),
    })
}

fn after(commands: impl IntoIterator<Item = Command>) -> Order {
    let mut order = Order::default();
    tell_all(&mut order, commands);
    order
}

fn fulfilled() -> Order {
    after([place(), hold(), open(), pay(10), confirm(), issue()])
}

/// Asks for every step that is due and lets it succeed, until none is.
fn undo_all(order: &mut Order) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(step) = order.next_step() {
        assert!(steps.len() < 10, "the order does not come to an end: {steps:?}");
        steps.push(step);
        tell_all(order, [success(order, step, second(5000))]);
    }
    steps
}

fn success(order: &Order, step: Step, at: Timestamp) -> Command {
    let returned = |return_id, what| Command::RecordReturned { return_id, what, at };
    match step {
        Step::HoldPlaces => Command::RecordHold {
            expires_at: at + SignedDuration::from_mins(15),
            items: terms().places(),
            at,
        },
        Step::OpenPayment => Command::RecordPaymentOpened {
            payment_id: Uuid::from_u128(9),
            closes_at: at + SignedDuration::from_mins(14),
            at,
        },
        Step::ConfirmPlaces => Command::RecordConfirmation { at },
        Step::IssueTickets => {
            Command::RecordTickets { ticket_ids: (21..24).map(Uuid::from_u128).collect(), at }
        }
        Step::ClosePayment => Command::RecordPaymentClosed { at },
        Step::VoidTickets => Command::RecordTicketsVoided { at },
        Step::ReturnMoney => Command::RecordMoneyReturned { refusals: order.refusals(), at },
        Step::ReleasePlaces => Command::RecordPlacesReleased { at },
        Step::Finish => Command::Finish { at },
        Step::VoidPositions(id) => returned(id, Returned::Tickets),
        Step::ReleasePositions(id) => returned(id, Returned::Places),
        Step::RefundPositions(id) => {
            let amount = order.return_with(id).expect("a return is due").amount;
            returned(id, Returned::Money { refund_id: Some(id), amount })
        }
    }
}

/// The return of the step that is due.
fn due_return(order: &Order) -> Option<Return> {
    order.return_with(order.next_step()?.return_id()?).cloned()
}

fn kind(step: Step) -> &'static str {
    match step {
        Step::VoidPositions(_) => "void",
        Step::ReleasePositions(_) => "release",
        Step::RefundPositions(_) => "refund",
        _ => "another",
    }
}

#[test]
fn a_purchase_goes_from_placed_to_fulfilled() {
    let mut order = after([place()]);
    assert_eq!(order.next_step(), Some(Step::HoldPlaces));
    tell_all(&mut order, [hold()]);
    assert_eq!(order.next_step(), Some(Step::OpenPayment));
    assert_eq!(order.state, OrderState::Placed, "it is held for its buyer once it can be paid");
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
fn the_seats_are_those_that_inventory_chose() {
    let seat = |number: &str| contracts::seating::Seat {
        section: "Stalls".to_owned(),
        row: "A".to_owned(),
        number: number.to_owned(),
    };
    let seats = vec![seat("4"), seat("5")];
    let items = vec![
        Places { ticket_type_id: Uuid::from_u128(5), quantity: 2, seats: seats.clone() },
        Places::any(Uuid::from_u128(6), 1),
    ];
    let hold = Command::RecordHold { expires_at: second(900), items, at: second(1) };
    let order = after([place(), hold]);
    let shown: Vec<_> = order.positions().into_iter().map(|position| position.seat).collect();
    assert_eq!(shown, [Some(seat("4")), Some(seat("5")), None]);
}

#[test]
fn a_step_that_is_due_wakes_the_order_should_nobody_ask_for_it() {
    let order = after([place(), hold()]);
    assert_eq!(order.wake_at(), Some(second(1 + 5)));
    let paid = after([place(), hold(), open(), pay(10)]);
    assert_eq!(paid.wake_at(), Some(second(10 + 5)));
}

#[test]
fn an_order_that_waits_for_money_wakes_when_its_time_is_up() {
    let order = after([place(), hold(), open()]);
    assert_eq!(order.wake_at(), Some(second(870)), "before its places become free");
}

#[test]
fn what_others_do_for_good_is_asked_for_once_the_reason_is_recorded() {
    let order = after([place()]);
    assert!(!order.needs_record_before(Step::HoldPlaces));
    assert!(!order.needs_record_before(Step::OpenPayment));
    assert!(order.needs_record_before(Step::ConfirmPlaces));
    let free = Terms { total: euros(0), ..terms() };
    let free = after([Command::Place { terms: free, access: None, at: second(0) }]);
    assert!(free.needs_record_before(Step::OpenPayment), "it is settled at once");
}

#[test]
fn the_same_purchase_placed_again_is_the_first_one() {
    let mut order = after([place()]);
    let place_other = |terms| Command::Place { terms, access: None, at: second(9) };
    let drawn_anew = Terms { order_code: "ZZZZZZZZ".to_owned(), ..terms() };
    assert_eq!(tell(&mut order, place_other(drawn_anew)), Ok(0));
    let another = Terms { buyer_id: Uuid::from_u128(77), ..terms() };
    assert_eq!(tell(&mut order, place_other(another)), Err(Rejection::Differs));
}

#[test]
fn an_order_without_room_is_over_at_once() {
    let refusal = Refusal::of(Cause::SoldOut);
    let order = after([place(), Command::RecordRefusal { refusal, at: second(1) }]);
    assert_eq!(order.next_step(), None);
    assert_eq!((order.state, order.cause), (OrderState::Cancelled, Some(Cause::SoldOut)));
}

#[test]
fn an_order_that_is_not_paid_in_time_expires_after_its_payment_is_closed() {
    let mut order = after([place(), hold(), open()]);
    assert_eq!(tell(&mut order, Command::Expire { at: second(869) }), Ok(0));
    tell_all(&mut order, [Command::Expire { at: second(870) }]);
    assert_eq!(undo_all(&mut order), [Step::ClosePayment, Step::Finish]);
    assert_eq!(order.state, OrderState::Expired);
}

#[test]
fn a_buyer_who_cancels_before_paying_frees_the_places() {
    let mut order = after([place(), hold(), open()]);
    tell_all(&mut order, [cancel(Cause::BuyerCancelled, &[], 30)]);
    assert_eq!(undo_all(&mut order), [Step::ClosePayment, Step::ReleasePlaces, Step::Finish]);
    assert_eq!(order.state, OrderState::Cancelled);
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
    assert_eq!(order.overpaid(), Some(euros(6000)), "it shows until it has gone back");
    // Another driver may have been told of room, and be on its way to tickets.
    let undone = [Step::VoidTickets, Step::ReleasePlaces, Step::ReturnMoney, Step::Finish];
    assert_eq!(undo_all(&mut order), undone);
    assert_eq!((order.state, order.cause), (OrderState::Cancelled, Some(Cause::PaidTooLate)));
    assert_eq!((order.refunded(), order.overpaid()), (Some(euros(6000)), Some(euros(0))));
}

#[test]
fn money_that_comes_while_the_buyer_cancels_is_returned() {
    let mut order = after([place(), hold(), open()]);
    tell_all(&mut order, [cancel(Cause::BuyerCancelled, &[], 30), pay(31)]);
    assert_eq!(undo_all(&mut order), [Step::ReleasePlaces, Step::ReturnMoney, Step::Finish]);
}

#[test]
fn money_for_an_order_that_was_never_recorded_is_returned() {
    let mut order = after([pay(10)]);
    assert_eq!(order.next_step(), Some(Step::ReturnMoney));
    assert_eq!(order.wake_at(), Some(second(15)));
    assert_eq!(tell(&mut order, Command::Expire { at: second(11) }), Ok(0));
    assert_eq!(tell(&mut order, place()), Err(Rejection::Ended));
    assert_eq!(undo_all(&mut order), [Step::ReturnMoney]);
    assert_eq!(order.terms, None);
}

#[test]
fn an_outcome_that_is_told_twice_or_too_late_changes_nothing() {
    let mut order = fulfilled();
    for late in [hold(), open(), pay(11), confirm(), issue(), Command::Expire { at: second(2000) }]
    {
        assert_eq!(tell(&mut order, late), Ok(0));
    }
}

#[test]
fn neither_guest_nor_secret_can_be_printed() {
    let guest = Guest { email: "ada@example.org".to_owned(), name: "Ada".to_owned() };
    let access = Access { secret: "Q4KXT7NH".to_owned(), guest: Some(guest) };
    let printed = format!("{access:?} {:?}", access.guest);
    for secret in ["ada", "Ada", "Q4KXT7NH"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
