//! Doors that have no business with a ticket, codes that were revoked, and devices whose clock is wrong.

use super::*;

const OTHER_EVENT: Uuid = Uuid::from_u128(33);

fn of_other_event() -> Arc<Rules> {
    rules(|it| (it.list_id, it.event_id) = (OTHER_EVENT, OTHER_EVENT))
}

fn reentry() -> Arc<Rules> {
    rules(|it| it.terms.allows_reentry = true)
}

/// Whatever a door can say of a code.
fn said(scan: &Scan, rules: &Arc<Rules>) -> Vec<Command> {
    let mut all = Vec::new();
    for kind in [ScanKind::Entry, ScanKind::Exit] {
        let online = Scan { kind, ..scan.clone() };
        for scan in [online.clone(), offline(online)] {
            let (refusal, rules) = (Refusal::from(RefusalReason::Voided), Arc::clone(rules));
            all.push(Command::Scan { scan: scan.clone(), rules: Arc::clone(&rules) });
            all.push(Command::NoteRefusal { scan, refusal, rules });
        }
    }
    all
}

/// The buyer's ticket went to a friend.
fn passed_on() -> OrderTickets {
    let mut tickets = issued(1);
    tell(&mut tickets, offer(BUYER, "secret", 1)).expect("offered");
    tell(&mut tickets, accept(FRIEND, "secret", 2)).expect("accepted");
    tickets
}

fn new_code(scan: Scan) -> Scan {
    Scan { serial: 2, ..scan }
}

#[test]
fn a_door_of_another_organizer_is_told_nothing_and_writes_nothing() {
    let mut admitted = issued(1);
    assert_eq!(ask(&mut admitted, &scan("a", 3), &rules(|_| {})), None);
    let mut voided = issued(1);
    tell(&mut voided, void(&[], 3)).expect("voided");
    for tickets in [issued(1), passed_on(), admitted, voided] {
        for event_id in [EVENT, OTHER_EVENT] {
            let foreign = rules(|it| {
                (it.organizer_id, it.event_id) = (Uuid::from_u128(44), event_id);
            });
            // The mark of an earlier scan does not help.
            for command in said(&scan("a", 10), &foreign) {
                let told = tickets.decide(command);
                assert_eq!(told, Err(Rejection::UnknownTicket(TICKET)));
            }
        }
    }
}

#[test]
fn a_door_of_another_event_of_the_organizer_hears_of_the_event_before_all_else() {
    let mut voided = issued(1);
    tell(&mut voided, void(&[], 3)).expect("voided");
    for mut tickets in [issued(1), passed_on(), voided] {
        let told = reason(&mut tickets, &scan("a", 10), &of_other_event());
        assert_eq!(told, Some(RefusalReason::OtherEvent));
        let told = conflict(&mut tickets, scan("b", 11), &of_other_event());
        assert_eq!(told, Some(RefusalReason::OtherEvent));
    }
}

#[test]
fn what_no_holder_did_is_reported_and_admits_nobody() {
    let mut voided = issued(1);
    tell(&mut voided, void(&[], 3)).expect("voided");
    for (mut tickets, rules, expected, state) in [
        (issued(1), of_other_event(), RefusalReason::OtherEvent, TicketState::Valid),
        (passed_on(), rules(|_| {}), RefusalReason::Transferred, TicketState::Valid),
        (voided, rules(|_| {}), RefusalReason::Voided, TicketState::Voided),
    ] {
        assert_eq!(conflict(&mut tickets, scan("a", 10), &rules), Some(expected));
        assert_eq!(tickets.tickets[0].passed.len(), 1, "history is kept");
        assert_eq!(tickets.tickets[0].first_entry(), None);
        assert_eq!(tickets.tickets[0].state(), state);
    }
}

#[test]
fn a_revoked_code_that_was_let_in_shuts_the_holder_out_nowhere() {
    for rules in [rules(|_| {}), reentry()] {
        let mut tickets = passed_on();
        for (nonce, at) in [("a", 10), ("b", 30)] {
            let told = conflict(&mut tickets, scan(nonce, at), &rules);
            assert_eq!(told, Some(RefusalReason::Transferred));
        }
        assert_eq!(conflict(&mut tickets, new_code(scan("c", 20)), &rules), None);
        let again = reason(&mut tickets, &new_code(scan("d", 40)), &rules);
        assert_eq!(again, Some(RefusalReason::AlreadyAdmitted), "once all the same");
        let before = tickets.tickets[0].first_entry().map(|entry| entry.at);
        assert_eq!(before, Some(minute(20)));
    }
}

#[test]
fn who_leaves_with_a_revoked_code_makes_no_room_for_a_second_one() {
    let mut tickets = passed_on();
    assert_eq!(ask(&mut tickets, &new_code(scan("a", 10)), &reentry()), None);
    assert_eq!(ask(&mut tickets, &exit("b", 11), &reentry()), None, "nobody is kept in");
    let second = reason(&mut tickets, &new_code(scan("c", 12)), &reentry());
    assert_eq!(second, Some(RefusalReason::AlreadyAdmitted));
    assert_eq!(ask(&mut tickets, &new_code(exit("d", 13)), &reentry()), None);
    assert_eq!(reason(&mut tickets, &new_code(scan("e", 14)), &reentry()), None);
}

#[test]
fn nothing_happens_later_than_it_is_told() {
    let told = passage("a", 10).told_at(minute(11));
    assert_eq!((told.at, told.device_at), (minute(10), None));
    let ahead = passage("a", 10).told_at(minute(9));
    assert_eq!((ahead.at, ahead.device_at), (minute(9), Some(minute(10))));
}

proptest! {
    /// Devices upload what they like, with any times and in any order; then the bearer leaves.
    #[test]
    fn whatever_the_clocks_of_devices_say_whoever_has_left_comes_in_again(
        uploads in proptest::collection::vec((any::<bool>(), -100_000_i64..100_000), 0..20),
    ) {
        let mut tickets = issued(1);
        let mut now = 0;
        for (is_entry, at) in uploads {
            now += 1;
            let way = if is_entry { scan("", at) } else { exit("", at) };
            let nonce = Some(now.to_string());
            let passage = Passage { nonce, ..way.passage.told_at(minute(now)) };
            let way = offline(Scan { passage, ..way });
            prop_assert_eq!(ask(&mut tickets, &way, &reentry()), None);
        }
        prop_assert!(tickets.tickets[0].passed.iter().all(|it| it.passage.at <= minute(now)));
        let leaving = exit("out", now);
        prop_assert_eq!(ask(&mut tickets, &leaving, &reentry()), None);
        prop_assert_eq!(reason(&mut tickets, &scan("in", now + 1), &reentry()), None);
        let second = reason(&mut tickets, &scan("copy", now + 2), &reentry());
        prop_assert_eq!(second, Some(RefusalReason::AlreadyAdmitted));
    }

    #[test]
    fn revoked_codes_change_nothing_for_the_holder(
        ways in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_i64..50), 0..20),
    ) {
        let (mut disturbed, mut calm) = (passed_on(), passed_on());
        for (number, (is_entry, is_revoked, at)) in ways.into_iter().enumerate() {
            let nonce = number.to_string();
            let way = offline(if is_entry { scan(&nonce, at) } else { exit(&nonce, at) });
            if is_revoked {
                prop_assert_eq!(ask(&mut disturbed, &way, &reentry()), None);
                continue;
            }
            let way = new_code(way);
            for tickets in [&mut disturbed, &mut calm] {
                prop_assert_eq!(ask(tickets, &way, &reentry()), None);
            }
            prop_assert_eq!(disturbed.verdict(&way), calm.verdict(&way));
        }
        let at_the_end = new_code(scan("end", 100));
        let calm = reason(&mut calm, &at_the_end, &reentry());
        prop_assert_eq!(reason(&mut disturbed, &at_the_end, &reentry()), calm);
    }
}
