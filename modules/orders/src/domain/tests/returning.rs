//! Undoing a purchase, in whole and in part.

use super::*;

fn refund(of: Option<Uuid>, cents: i64, whole: bool, at: i64) -> Command {
    Command::RecordRefund { refund_id: of, amount: euros(cents), whole, at: second(at) }
}

#[test]
fn a_buyer_cannot_cancel_what_is_paid_but_the_organizer_can() {
    let mut order = fulfilled();
    let by_buyer = tell(&mut order, cancel(Cause::BuyerCancelled, &[], 30));
    assert_eq!(by_buyer, Err(Rejection::AlreadyPaid));
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[], 31)]);
    let undone = undo_all(&mut order);
    assert_eq!(undone, [Step::VoidTickets, Step::ReleasePlaces, Step::ReturnMoney, Step::Finish]);
    assert_eq!(order.refunded(), Some(euros(6000)));
}

#[test]
fn tickets_that_are_about_to_be_issued_are_void_too() {
    for so_far in [vec![pay(10)], vec![pay(10), confirm()]] {
        let mut order = after([place(), hold(), open()].into_iter().chain(so_far));
        tell_all(&mut order, [cancel(Cause::EventCancelled, &[], 31)]);
        assert_eq!(order.next_step(), Some(Step::VoidTickets));
        assert_eq!(tell(&mut order, confirm()), Ok(0));
        assert_eq!(tell(&mut order, issue()), Ok(0));
    }
}

#[test]
fn a_whole_refund_voids_the_tickets_and_frees_the_places() {
    let mut order = fulfilled();
    tell_all(&mut order, [refund(None, 6000, true, 30)]);
    assert_eq!(undo_all(&mut order), [Step::VoidTickets, Step::ReleasePlaces, Step::Finish]);
    assert_eq!(order.cause, Some(Cause::Refunded));
    assert_eq!(order.overpaid(), Some(euros(0)));
}

#[test]
fn some_positions_are_returned_and_the_others_stay() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[2, 3], 30)]);
    assert_eq!((order.state, order.overpaid()), (OrderState::Fulfilled, Some(euros(3500))));
    let due = order.due_return().expect("they are to be returned").clone();
    assert_eq!((due.positions, due.amount), (vec![2, 3], euros(3500)));
    assert_eq!(order.tickets_at(&[2, 3]), [Uuid::from_u128(22), Uuid::from_u128(23)]);
    let quantities: Vec<u32> = due.items.iter().map(|item| item.quantity).collect();
    assert_eq!(quantities, [1, 1]);
    let steps = [Step::VoidPositions, Step::ReleasePositions, Step::RefundPositions];
    assert_eq!(undo_all(&mut order), steps);
    assert_eq!((order.state, order.overpaid()), (OrderState::Fulfilled, Some(euros(0))));
    assert_eq!(order.kept(), Some(euros(2500)));
    let cancelled: Vec<bool> = order.positions().iter().map(|it| it.cancelled).collect();
    assert_eq!(cancelled, [false, true, true]);
    assert_eq!(tell(&mut order, cancel(Cause::OrganizerCancelled, &[3], 40)), Ok(0), "repeated");
}

#[test]
fn cancelling_the_last_positions_cancels_the_order() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[1], 30)]);
    undo_all(&mut order);
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[2, 3], 31)]);
    assert_eq!(order.state, OrderState::CallingOff);
    undo_all(&mut order);
    assert_eq!((order.state, order.refunded()), (OrderState::Cancelled, Some(euros(6000))));
}

#[test]
fn an_order_that_is_called_off_tells_what_it_still_had() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[1], 30)]);
    undo_all(&mut order);
    tell_all(&mut order, [cancel(Cause::EventCancelled, &[], 31)]);
    let mut ended = None;
    while let Some(step) = order.next_step() {
        for event in order.decide(success(&order, step, second(40))).expect("it is due") {
            order.evolve(&event);
            ended = Some(event);
        }
    }
    let Some(Event::Ended { confirmed: Some(rest), cause, .. }) = ended else {
        panic!("it had been confirmed: {ended:?}")
    };
    assert_eq!((rest.total, cause), (euros(3500), Some(Cause::EventCancelled)));
    assert_eq!(rest.count(), 2);
}

#[test]
fn single_positions_are_cancelled_once_there_are_tickets() {
    for commands in [vec![], vec![pay(10)], vec![pay(10), confirm()]] {
        let mut order = after([place(), hold(), open()].into_iter().chain(commands));
        let early = tell(&mut order, cancel(Cause::OrganizerCancelled, &[1], 30));
        assert_eq!(early, Err(Rejection::NoTicketsYet));
    }
    let unknown = tell(&mut fulfilled(), cancel(Cause::OrganizerCancelled, &[4], 30));
    assert_eq!(unknown, Err(Rejection::PositionUnknown { position: 4 }));
    let zero = tell(&mut fulfilled(), cancel(Cause::OrganizerCancelled, &[0], 30));
    assert_eq!(zero, Err(Rejection::PositionUnknown { position: 0 }));
}

#[test]
fn money_beside_buys_nothing_less_and_is_not_given_back_twice() {
    let mut order = fulfilled();
    tell_all(&mut order, [refund(Some(Uuid::from_u128(77)), 4000, false, 30)]);
    assert_eq!((order.state, order.next_step()), (OrderState::Fulfilled, None));
    assert_eq!((order.kept(), order.overpaid()), (Some(euros(2000)), Some(euros(0))));
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[1], 31)]);
    assert_eq!(order.due_return().map(|due| due.amount), Some(euros(2000)), "no more is left");
}

#[test]
fn a_refund_that_was_refused_is_settled_by_the_one_that_follows() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[3], 30)]);
    let return_id = order.due_return().expect("one is due").return_id;
    let refused = |will_retry| Command::RecordRefundRefused {
        refund_id: return_id,
        will_retry,
        at: second(31),
    };
    tell_all(&mut order, [refused(true), refused(false)]);
    assert!(order.refund_is_stuck);
    tell_all(&mut order, [refund(Some(Uuid::from_u128(78)), 1000, false, 32)]);
    assert!(!order.refund_is_stuck);
    assert_eq!(undo_all(&mut order), [Step::VoidPositions, Step::ReleasePositions]);
    assert_eq!(order.kept(), Some(euros(5000)));
}

#[test]
fn the_refund_of_a_return_ends_it_though_it_is_all_the_money() {
    let mut order = fulfilled();
    tell_all(&mut order, [refund(Some(Uuid::from_u128(77)), 5000, false, 30)]);
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[3], 31)]);
    let return_id = order.due_return().expect("one is due").return_id;
    tell_all(&mut order, [refund(Some(return_id), 1000, true, 32)]);
    assert_eq!(undo_all(&mut order), [Step::VoidPositions, Step::ReleasePositions]);
    assert_eq!(order.state, OrderState::Fulfilled, "the other two keep their tickets");
}
