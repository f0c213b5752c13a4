//! Undoing a purchase, in whole and in part.

use super::*;

/// As an older payments tells of it.
fn refund(of: Option<Uuid>, cents: i64, whole: bool, at: i64) -> Command {
    let (amount, requested, total) = (euros(cents), None, None);
    let refund = Refunded { refund_id: of, requested, amount, total, whole };
    Command::RecordRefund { refund, at: second(at) }
}

/// The refund `id`, which was asked for as `requested`, is done; `total` were given back so far.
fn refunded(id: Uuid, requested: Option<Uuid>, cents: i64, total: i64, at: i64) -> Command {
    let refund = Refunded {
        refund_id: Some(id),
        requested,
        amount: euros(cents),
        total: Some(euros(total)),
        whole: total == 6000,
    };
    Command::RecordRefund { refund, at: second(at) }
}

fn refused(id: Uuid, requested: Option<Uuid>, total: i64, will_retry: bool, at: i64) -> Command {
    let (total, at) = (Some(euros(total)), second(at));
    Command::RecordRefundRefused { refund_id: id, requested, total, will_retry, at }
}

fn by(number: u128) -> Uuid {
    Uuid::from_u128(number)
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
    let due = due_return(&order).expect("they are to be returned");
    assert_eq!((due.positions, due.amount), (vec![2, 3], euros(3500)));
    assert_eq!(order.tickets_at(&[2, 3]), [Uuid::from_u128(22), Uuid::from_u128(23)]);
    let quantities: Vec<u32> = due.items.iter().map(|item| item.quantity).collect();
    assert_eq!(quantities, [1, 1]);
    let steps: Vec<_> = undo_all(&mut order).into_iter().map(kind).collect();
    assert_eq!(steps, ["void", "release", "refund"]);
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
    assert_eq!(due_return(&order).map(|due| due.amount), Some(euros(2000)), "no more is left");
}

#[test]
fn a_refund_that_was_refused_is_settled_by_the_one_that_repeats_it() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[3], 30)]);
    let return_id = due_return(&order).expect("one is due").return_id;
    tell_all(&mut order, [refused(return_id, Some(return_id), 0, true, 31)]);
    assert!(!order.refund_is_stuck());
    tell_all(&mut order, [refunded(by(78), Some(return_id), 1000, 1000, 32)]);
    let steps: Vec<_> = undo_all(&mut order).into_iter().map(kind).collect();
    assert_eq!(steps, ["void", "release"]);
    assert_eq!(order.kept(), Some(euros(5000)));
}

#[test]
fn what_the_provider_gave_up_is_settled_by_whoever_gives_it_back_otherwise() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[3], 30)]);
    let return_id = due_return(&order).expect("one is due").return_id;
    tell_all(&mut order, [refused(return_id, Some(return_id), 0, false, 31)]);
    let steps: Vec<_> = undo_all(&mut order).into_iter().map(kind).collect();
    assert_eq!(steps, ["void", "release"], "nobody asks again for what was given up");
    assert!(order.refund_is_stuck());
    assert_eq!(order.overpaid(), Some(euros(1000)));
    tell_all(&mut order, [refunded(by(78), Some(by(78)), 1000, 1000, 32)]);
    assert!(!order.refund_is_stuck());
    assert_eq!((order.next_step(), order.overpaid()), (None, Some(euros(0))));
}

#[test]
fn a_gesture_of_the_same_amount_is_not_taken_for_a_refused_return() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[2], 30)]);
    let return_id = due_return(&order).expect("one is due").return_id;
    tell_all(
        &mut order,
        [
            refused(return_id, Some(return_id), 0, true, 31),
            refunded(by(77), Some(by(77)), 3500, 3500, 32),
            refunded(by(78), Some(return_id), 2500, 6000, 33),
        ],
    );
    let steps: Vec<_> = undo_all(&mut order).into_iter().map(kind).collect();
    assert_eq!(steps, ["void", "release"]);
    assert_eq!(order.state, OrderState::Fulfilled, "the others keep their tickets");
    assert_eq!(order.refunded(), Some(euros(6000)));
}

#[test]
fn a_refund_that_the_bank_sends_back_is_owed_again_and_counted_once() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[1], 30)]);
    undo_all(&mut order);
    let return_id = order.returns.first().expect("there is one").return_id;
    tell_all(&mut order, [refunded(return_id, Some(return_id), 2500, 2500, 31)]);
    assert_eq!((order.refunded(), order.next_step()), (Some(euros(2500)), None));

    tell_all(&mut order, [refused(return_id, Some(return_id), 0, true, 40)]);
    assert_eq!((order.refunded(), order.overpaid()), (Some(euros(0)), Some(euros(2500))));
    assert_eq!(order.next_step(), Some(Step::RefundPositions(return_id)));
    let what = Returned::Money { refund_id: Some(return_id), amount: euros(2500) };
    let late = Command::RecordReturned { return_id, what, at: second(41) };
    assert_eq!(tell(&mut order, late), Ok(0), "what a slow driver heard before is out of date");

    let repeated = refunded(by(78), Some(return_id), 2500, 2500, 50);
    let events = order.decide(repeated.clone()).expect("it is taken in");
    let news = events.iter().find_map(|event| match event {
        Event::PositionsRefunded { news, .. } => *news,
        _ => None,
    });
    assert_eq!(news, Some(euros(0)), "others were told of it the first time");
    tell_all(&mut order, [repeated]);
    assert_eq!((order.refunded(), order.overpaid()), (Some(euros(2500)), Some(euros(0))));
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[2], 60)]);
    assert_eq!(due_return(&order).map(|due| due.amount), Some(euros(2500)));
}

#[test]
fn an_order_that_has_ended_comes_back_for_the_money_that_the_bank_sent_back() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[], 30)]);
    undo_all(&mut order);
    tell_all(&mut order, [refunded(by(77), Some(by(77)), 6000, 6000, 31)]);
    assert_eq!((order.state, order.wake_at()), (OrderState::Cancelled, None));

    let mut given_up = order.clone();
    tell_all(&mut given_up, [refused(by(77), Some(by(77)), 0, false, 40)]);
    assert!(given_up.refund_is_stuck(), "payments does not try again");
    assert_eq!((given_up.next_step(), given_up.overpaid()), (None, Some(euros(6000))));
    tell_all(&mut given_up, [refunded(by(79), Some(by(79)), 6000, 6000, 50)]);
    assert_eq!(undo_all(&mut given_up), [Step::Finish]);
    assert_eq!((given_up.state, given_up.overpaid()), (OrderState::Cancelled, Some(euros(0))));

    tell_all(&mut order, [refused(by(77), Some(by(77)), 0, true, 40)]);
    assert_eq!((order.state, order.overpaid()), (OrderState::CallingOff, Some(euros(6000))));
    assert_eq!(order.next_step(), Some(Step::ReturnMoney));
    let late = Command::RecordMoneyReturned { refusals: 0, at: second(41) };
    assert_eq!(tell(&mut order, late), Ok(0), "it was asked before the bank sent it back");
    let mut log = Vec::new();
    for command in
        [refunded(by(78), Some(by(77)), 6000, 6000, 50), Command::Finish { at: second(51) }]
    {
        for event in order.decide(command).expect("it goes on") {
            order.evolve(&event);
            log.push(event);
        }
    }
    assert_eq!((order.state, order.refunded()), (OrderState::Cancelled, Some(euros(6000))));
    let Some(Event::Ended { confirmed, .. }) = log.last() else { panic!("it ends again: {log:?}") };
    assert_eq!(*confirmed, None, "others were told of the end the first time");
}

#[test]
fn an_external_refund_that_is_called_off_leaves_an_order_with_tickets_alone() {
    let mut order = fulfilled();
    tell_all(&mut order, [refunded(by(77), None, 1000, 1000, 30)]);
    tell_all(&mut order, [refused(by(77), None, 0, false, 31)]);
    assert!(!order.refund_is_stuck());
    assert_eq!((order.refunded(), order.next_step()), (Some(euros(0)), None));

    tell_all(&mut order, [refunded(by(77), None, 6000, 6000, 40)]);
    undo_all(&mut order);
    assert_eq!(order.state, OrderState::Cancelled);
    tell_all(&mut order, [refused(by(77), None, 0, false, 41)]);
    assert_eq!(order.next_step(), Some(Step::ReturnMoney), "the tickets are gone: it is owed");
}

#[test]
fn a_whole_cancel_beside_a_position_gives_nothing_back_twice() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[1], 30)]);
    let return_id = due_return(&order).expect("one is due").return_id;
    tell_all(&mut order, [cancel(Cause::EventCancelled, &[], 31)]);
    undo_all(&mut order);
    let what = Returned::Money { refund_id: Some(return_id), amount: euros(2500) };
    let late = Command::RecordReturned { return_id, what, at: second(40) };
    assert_eq!(tell(&mut order, late), Ok(0));
    assert_eq!(order.refunded(), Some(euros(6000)));
}

#[test]
fn a_refund_that_waits_holds_up_no_other_return() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[1], 30)]);
    let first = due_return(&order).expect("one is due").return_id;
    for _ in 0..2 {
        let step = order.next_step().expect("a step is due");
        let outcome = success(&order, step, second(31));
        tell_all(&mut order, [outcome]);
    }
    assert_eq!(order.next_step(), Some(Step::RefundPositions(first)));
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[2], 40)]);
    let second_one = due_return(&order).expect("another is due").return_id;
    assert_eq!(order.next_step(), Some(Step::VoidPositions(second_one)));
    for _ in 0..2 {
        let step = order.next_step().expect("a step is due");
        let outcome = success(&order, step, second(41));
        tell_all(&mut order, [outcome]);
    }
    let waiting = BTreeSet::from([first]);
    assert_eq!(order.next_step_beside(&waiting), Some(Step::RefundPositions(second_one)));
}

#[test]
fn the_refund_of_a_return_ends_it_though_it_is_all_the_money() {
    let mut order = fulfilled();
    tell_all(&mut order, [refund(Some(Uuid::from_u128(77)), 5000, false, 30)]);
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[3], 31)]);
    let return_id = due_return(&order).expect("one is due").return_id;
    tell_all(&mut order, [refund(Some(return_id), 1000, true, 32)]);
    let steps: Vec<_> = undo_all(&mut order).into_iter().map(kind).collect();
    assert_eq!(steps, ["void", "release"]);
    assert_eq!(order.state, OrderState::Fulfilled, "the other two keep their tickets");
}

#[test]
fn a_refund_after_a_late_reply_that_nothing_was_left_is_told() {
    let mut order = fulfilled();
    tell_all(&mut order, [cancel(Cause::OrganizerCancelled, &[1], 30)]);
    let due = due_return(&order).expect("it is to be returned");
    for what in [Returned::Tickets, Returned::Places] {
        let (return_id, at) = (due.return_id, second(31));
        tell_all(&mut order, [Command::RecordReturned { return_id, what, at }]);
    }
    // All of the money was on its way back otherwise; the bank has refused it since.
    let what = Returned::Money { refund_id: None, amount: euros(0) };
    let at = second(32);
    tell_all(&mut order, [Command::RecordReturned { return_id: due.return_id, what, at }]);
    tell_all(&mut order, [refused(by(0xF1), Some(by(0xF1)), 0, false, 33)]);

    let news = order.decide(refunded(due.return_id, Some(due.return_id), 2500, 2500, 34));
    let told: Vec<_> = news
        .expect("it is heard")
        .into_iter()
        .filter_map(|event| match event {
            Event::MoneyGivenBack { news, .. } => news,
            _ => None,
        })
        .collect();
    assert_eq!(told, [euros(2500)]);
}
