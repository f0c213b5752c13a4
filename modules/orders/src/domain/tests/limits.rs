//! What an order does when it has waited long enough.

use super::*;

fn expire(at: i64) -> Command {
    Command::Expire { at: second(at) }
}

#[test]
fn an_order_whose_places_are_not_held_in_time_is_over_and_keeps_none() {
    let mut order = after([place()]);
    assert_eq!(tell(&mut order, expire(119)), Ok(0));
    tell_all(&mut order, [expire(120)]);
    assert_eq!(order.cause, Some(Cause::NotHeld));
    assert_eq!(undo_all(&mut order), [Step::ClosePayment, Step::ReleasePlaces, Step::Finish]);
    assert_eq!(order.state, OrderState::Cancelled);
    tell_all(&mut order, [pay(130)]);
    assert_eq!(order.next_step(), Some(Step::ReturnMoney), "late money buys nothing");
}

#[test]
fn an_order_that_was_left_behind_wakes_no_later_than_its_time_is_up() {
    let held =
        Command::RecordHold { expires_at: second(900), items: terms().places(), at: second(118) };
    let order = after([place(), held]);
    assert_eq!(order.wake_at(), Some(second(120)));
}

#[test]
fn who_has_paid_and_has_no_tickets_after_a_day_gets_the_money_back() {
    for so_far in [vec![], vec![confirm()]] {
        let mut order = after([place(), hold(), open(), pay(10)].into_iter().chain(so_far));
        assert_eq!(tell(&mut order, expire(10 + 86_399)), Ok(0));
        tell_all(&mut order, [expire(10 + 86_400)]);
        undo_all(&mut order);
        assert_eq!((order.state, order.cause), (OrderState::Cancelled, Some(Cause::NotFulfilled)));
        assert_eq!(order.refunded(), Some(euros(6000)));
    }
}

#[test]
fn an_order_waits_for_money_longer_each_time_and_never_longer_than_a_quarter_of_an_hour() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[], 100)]);
    while order.next_step() != Some(Step::ReturnMoney) {
        let step = order.next_step().expect("a step is due");
        let outcome = success(&order, step, second(100));
        tell_all(&mut order, [outcome]);
    }
    let mut pauses = Vec::new();
    for _ in 0..10 {
        tell_all(&mut order, [Command::RecordAwaited { at: second(1000) }]);
        pauses.push(order.wake_at().expect("it wakes").duration_since(second(1000)).as_secs());
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
}

#[test]
fn less_money_than_an_order_costs_goes_back() {
    let amount = euros(5999);
    let paid = Command::RecordPayment { payment_id: Uuid::from_u128(9), amount, at: second(10) };
    let mut order = after([place(), hold(), open(), paid]);
    assert_eq!((order.state, order.cause), (OrderState::CallingOff, Some(Cause::Underpaid)));
    undo_all(&mut order);
    assert_eq!((order.state, order.refunded()), (OrderState::Cancelled, Some(amount)));
}
