mod doors;

use std::sync::Arc;

use contracts::seating::Seat;
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::domain::{
    list::{Rules, Terms},
    scan::{RefusalReason, Scan},
};

const TICKET: Uuid = Uuid::from_u128(100);
const EVENT: Uuid = Uuid::from_u128(3);
const ORGANIZER: Uuid = Uuid::from_u128(4);
const BUYER: Uuid = Uuid::from_u128(2);
const FRIEND: Uuid = Uuid::from_u128(7);
const STALLS: Uuid = Uuid::from_u128(5);

fn minute(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn position(number: u32) -> TicketPosition {
    TicketPosition {
        ticket_type_id: STALLS,
        ticket_type_name: "Stalls".to_owned(),
        position: number,
        seat: Some(Seat {
            section: "Stalls".to_owned(),
            row: "A".to_owned(),
            number: number.to_string(),
        }),
        valid_from: None,
        valid_until: None,
    }
}

fn request(positions: u32) -> IssueTickets {
    IssueTickets {
        order_id: Uuid::from_u128(1),
        holder_id: BUYER,
        event_id: EVENT,
        event_name: "Winter Concert".to_owned(),
        organizer_id: ORGANIZER,
        starts_at: minute(1000),
        venue_name: "Town Hall".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        positions: (1..=positions).map(position).collect(),
    }
}

fn issue(positions: u32, first_id: u128) -> Command {
    let ids = (0..u128::from(positions)).map(|number| Uuid::from_u128(first_id + number));
    Command::Issue { request: request(positions), ids: ids.collect(), at: minute(0) }
}

fn passage(nonce: &str, at: i64) -> Passage {
    Passage {
        at: minute(at),
        device_at: None,
        entrance: Some("north".to_owned()),
        nonce: Some(nonce.to_owned()),
        list_id: Some(EVENT),
        by: Some(Uuid::from_u128(9)),
        device: None,
        offline: false,
    }
}

/// A way through the north door with the first ticket's first code.
fn scan(nonce: &str, at: i64) -> Scan {
    let kind = ScanKind::Entry;
    Scan { ticket_id: TICKET, serial: 1, kind, passage: passage(nonce, at) }
}

fn exit(nonce: &str, at: i64) -> Scan {
    Scan { kind: ScanKind::Exit, ..scan(nonce, at) }
}

fn offline(scan: Scan) -> Scan {
    Scan { passage: Passage { offline: true, ..scan.passage }, ..scan }
}

fn rules(change: impl FnOnce(&mut Rules)) -> Arc<Rules> {
    let (organizer_id, terms) = (ORGANIZER, Terms::default_list());
    let mut rules = Rules { list_id: EVENT, organizer_id, event_id: EVENT, terms };
    change(&mut rules);
    Arc::new(rules)
}

fn tell(tickets: &mut OrderTickets, command: Command) -> Result<usize, Rejection> {
    let events = tickets.decide(command)?;
    for event in &events {
        tickets.evolve(event);
    }
    Ok(events.len())
}

/// What the door is told: nothing when the bearer passes.
fn ask(tickets: &mut OrderTickets, scan: &Scan, rules: &Arc<Rules>) -> Option<Refusal> {
    let command = Command::Scan { scan: scan.clone(), rules: Arc::clone(rules) };
    tell(tickets, command).expect("the ticket is known");
    match tickets.verdict(scan).expect("it was judged") {
        Verdict::LetThrough { .. } => None,
        Verdict::Refused(refusal) => Some(refusal.clone()),
    }
}

fn reason(tickets: &mut OrderTickets, scan: &Scan, rules: &Arc<Rules>) -> Option<RefusalReason> {
    ask(tickets, scan, rules).map(|refusal| refusal.reason)
}

/// What speaks against what a device without a network allowed.
fn conflict(tickets: &mut OrderTickets, scan: Scan, rules: &Arc<Rules>) -> Option<RefusalReason> {
    let scan = offline(scan);
    assert_eq!(ask(tickets, &scan, rules), None);
    match tickets.verdict(&scan) {
        Some(Verdict::LetThrough { conflict, .. }) => conflict,
        other => panic!("history was rejected: {other:?}"),
    }
}

fn issued(positions: u32) -> OrderTickets {
    let mut tickets = OrderTickets::default();
    tell(&mut tickets, issue(positions, 100)).expect("issued");
    tickets
}

fn void(which: &[Uuid], at: i64) -> Command {
    Command::Void { ticket_ids: which.to_vec(), reason: "refunded".to_owned(), at: minute(at) }
}

fn offer(by: Uuid, digest: &str, at: i64) -> Command {
    let (offered_at, expires_at) = (minute(at), minute(at + 60));
    let offer = Offer { digest: digest.to_owned(), offered_at, expires_at };
    Command::OfferTransfer { ticket_id: TICKET, by, offer }
}

fn accept(to: Uuid, digest: &str, at: i64) -> Command {
    Command::AcceptTransfer { ticket_id: TICKET, to, digest: digest.to_owned(), at: minute(at) }
}

fn block(unpaid: bool) -> Command {
    let blocking = Blocking { at: minute(1), reason: "disputed".to_owned(), unpaid };
    Command::Block { ticket_id: TICKET, blocking }
}

#[test]
fn an_order_gets_its_tickets_once() {
    let mut tickets = issued(2);
    let before = tickets.clone();
    assert_eq!(tell(&mut tickets, issue(2, 500)), Ok(0));
    assert_eq!(tickets, before);
}

#[test]
fn a_ticket_lets_in_once_and_says_when_and_where_that_was() {
    let mut tickets = issued(1);
    assert_eq!(ask(&mut tickets, &scan("a", 10), &rules(|_| {})), None);
    let second = ask(&mut tickets, &scan("b", 11), &rules(|_| {})).expect("refused");
    let before = second.before.expect("an entry before");
    assert_eq!((before.at, before.entrance.as_deref()), (minute(10), Some("north")));
    assert_eq!(second.reason, RefusalReason::AlreadyAdmitted);
}

#[test]
fn a_scan_that_is_sent_again_gets_the_same_answer_and_is_no_second_one() {
    let mut tickets = issued(1);
    let everything = rules(|_| {});
    assert_eq!(ask(&mut tickets, &scan("a", 10), &everything), None);
    let refused = ask(&mut tickets, &scan("b", 12), &everything).expect("refused");
    let again = |nonce| Command::Scan { scan: scan(nonce, 13), rules: rules(|_| {}) };
    assert_eq!(tell(&mut tickets, again("a")), Ok(0));
    assert_eq!(tell(&mut tickets, again("b")), Ok(0));
    tell(&mut tickets, void(&[], 14)).expect("voided");
    assert_eq!(ask(&mut tickets, &scan("a", 15), &everything), None, "whatever happened since");
    assert_eq!(ask(&mut tickets, &scan("b", 15), &everything), Some(refused));
    assert_eq!(reason(&mut tickets, &scan("c", 15), &everything), Some(RefusalReason::Voided));
}

#[test]
fn the_same_nonce_of_somebody_else_is_another_scan() {
    let everything = rules(|_| {});
    let elsewhere: [fn(&mut Passage); 4] = [
        |passage| passage.by = Some(Uuid::from_u128(10)),
        |passage| passage.device = Some("north 2".to_owned()),
        |passage| passage.entrance = None,
        |passage| passage.list_id = Some(Uuid::from_u128(77)),
    ];
    for change in elsewhere {
        let mut tickets = issued(1);
        assert_eq!(ask(&mut tickets, &scan("1", 10), &everything), None);
        let mut other = scan("1", 11);
        change(&mut other.passage);
        let told = reason(&mut tickets, &other, &everything);
        assert_eq!(told, Some(RefusalReason::AlreadyAdmitted), "{other:?}");
    }
}

#[test]
fn every_refusal_has_its_reason() {
    let everything = rules(|_| {});
    let cases: [(RefusalReason, Option<Command>, Arc<Rules>); 8] = [
        (RefusalReason::Voided, Some(void(&[], 5)), Arc::clone(&everything)),
        (RefusalReason::Voided, Some(void(&[TICKET], 5)), Arc::clone(&everything)),
        (RefusalReason::OtherEvent, None, rules(|it| it.event_id = Uuid::from_u128(33))),
        (
            RefusalReason::OtherList,
            None,
            rules(|it| it.terms.ticket_type_ids = vec![Uuid::from_u128(55)]),
        ),
        (RefusalReason::Blocked, Some(block(false)), Arc::clone(&everything)),
        (RefusalReason::Unpaid, Some(block(true)), Arc::clone(&everything)),
        (RefusalReason::NotYetValid, None, rules(|it| it.terms.valid_from = Some(minute(11)))),
        (RefusalReason::NoLongerValid, None, rules(|it| it.terms.valid_until = Some(minute(10)))),
    ];
    for (expected, command, rules) in cases {
        let mut tickets = issued(1);
        if let Some(command) = command {
            tell(&mut tickets, command).expect("done");
        }
        assert_eq!(reason(&mut tickets, &scan("a", 10), &rules), Some(expected));
        assert_eq!(reason(&mut tickets, &exit("b", 11), &rules), None, "nobody is kept in");
    }
}

#[test]
fn a_ticket_has_a_validity_of_its_own() {
    let mut tickets = OrderTickets::default();
    let mut request = request(1);
    request.positions[0].valid_from = Some(minute(20));
    request.positions[0].valid_until = Some(minute(30));
    let command = Command::Issue { request, ids: vec![TICKET], at: minute(0) };
    tell(&mut tickets, command).expect("issued");
    let everything = rules(|_| {});
    let early = reason(&mut tickets, &scan("a", 19), &everything);
    assert_eq!(early, Some(RefusalReason::NotYetValid));
    let late = reason(&mut tickets, &scan("b", 30), &everything);
    assert_eq!(late, Some(RefusalReason::NoLongerValid));
    assert_eq!(reason(&mut tickets, &scan("c", 20), &everything), None);
}

#[test]
fn each_list_lets_in_once() {
    let mut tickets = issued(1);
    let second_day = rules(|it| it.list_id = Uuid::from_u128(77));
    let there = |nonce, at| {
        let mut scan = scan(nonce, at);
        scan.passage.list_id = Some(Uuid::from_u128(77));
        scan
    };
    assert_eq!(ask(&mut tickets, &scan("a", 10), &rules(|_| {})), None);
    assert_eq!(ask(&mut tickets, &there("b", 11), &second_day), None);
    let again = reason(&mut tickets, &there("c", 12), &second_day);
    assert_eq!(again, Some(RefusalReason::AlreadyAdmitted));
}

#[test]
fn whoever_has_left_comes_in_again_only_where_that_is_allowed() {
    let reentry = rules(|it| it.terms.allows_reentry = true);
    for (rules, expected) in
        [(reentry, None), (rules(|_| {}), Some(RefusalReason::AlreadyAdmitted))]
    {
        let mut tickets = issued(1);
        assert_eq!(ask(&mut tickets, &scan("a", 10), &rules), None);
        let inside = reason(&mut tickets, &scan("b", 11), &rules);
        assert_eq!(inside, Some(RefusalReason::AlreadyAdmitted), "while he is inside");
        assert_eq!(ask(&mut tickets, &exit("c", 12), &rules), None);
        assert_eq!(reason(&mut tickets, &scan("d", 13), &rules), expected);
    }
}

#[test]
fn what_a_door_allowed_without_a_network_is_recorded_with_what_speaks_against_it() {
    let mut tickets = issued(1);
    let everything = rules(|_| {});
    assert_eq!(ask(&mut tickets, &scan("a", 10), &everything), None);
    let earlier = offline(scan("b", 9));
    for _ in 0..2 {
        assert_eq!(ask(&mut tickets, &earlier, &everything), None);
    }
    let Some(Verdict::LetThrough { conflict, .. }) = tickets.verdict(&earlier) else {
        panic!("history was rejected");
    };
    assert_eq!(conflict, Some(RefusalReason::AlreadyAdmitted));
    assert_eq!(tickets.tickets[0].passed.len(), 2, "and once");
    assert_eq!(tickets.tickets[0].first_entry().map(|entry| entry.at), Some(minute(9)));
}

#[test]
fn with_reentry_uploads_that_come_late_conflict_only_where_no_exit_lies_between() {
    let reentry = rules(|it| it.terms.allows_reentry = true);
    let mut tickets = issued(1);
    assert_eq!(ask(&mut tickets, &scan("in", 10), &reentry), None);
    assert_eq!(ask(&mut tickets, &exit("out", 20), &reentry), None);
    assert_eq!(conflict(&mut tickets, scan("later", 30), &reentry), None);
    let inside = conflict(&mut tickets, scan("between", 15), &reentry);
    assert_eq!(inside, Some(RefusalReason::AlreadyAdmitted));
    let before = conflict(&mut tickets, scan("before", 5), &reentry);
    assert_eq!(before, Some(RefusalReason::AlreadyAdmitted), "another came in after it");
}

#[test]
fn some_tickets_become_worthless_and_the_others_stay_good() {
    let mut tickets = issued(3);
    let other = Uuid::from_u128(101);
    assert_eq!(tell(&mut tickets, void(&[TICKET], 5)), Ok(1));
    assert_eq!(tell(&mut tickets, void(&[TICKET], 6)), Ok(0));
    let states: Vec<_> = tickets.tickets.iter().map(Ticket::state).collect();
    assert_eq!(states, [TicketState::Voided, TicketState::Valid, TicketState::Valid]);
    let stranger = Uuid::from_u128(8);
    let unknown = tell(&mut tickets, void(&[other, stranger], 7));
    assert_eq!(unknown, Err(Rejection::UnknownTicket(stranger)));
    assert_eq!(tickets.ticket(other).map(Ticket::state), Some(TicketState::Valid));
    assert_eq!(tell(&mut tickets, void(&[], 8)), Ok(1));
    assert_eq!(tell(&mut tickets, void(&[], 9)), Ok(0));
    let first = tickets.ticket(TICKET).and_then(|ticket| ticket.voided.clone());
    assert_eq!(first.map(|voiding| voiding.at), Some(minute(5)));
}

#[test]
fn an_order_whose_tickets_were_voided_before_they_were_issued_gets_none() {
    let mut tickets = OrderTickets::default();
    assert_eq!(tell(&mut tickets, void(&[], 0)), Ok(1));
    assert!(matches!(tell(&mut tickets, issue(1, 100)), Err(Rejection::Voided(_))));
}

#[test]
fn a_ticket_of_another_order_and_a_code_from_the_future_are_unknown() {
    let mut tickets = issued(1);
    for unknown in [
        Scan { ticket_id: Uuid::from_u128(7), ..scan("a", 10) },
        Scan { serial: 2, ..scan("b", 10) },
    ] {
        let told = tell(&mut tickets, Command::Scan { scan: unknown, rules: rules(|_| {}) });
        assert!(matches!(told, Err(Rejection::UnknownTicket(_))));
    }
}

#[test]
fn a_ticket_is_passed_on_and_the_old_code_is_worthless_in_the_same_step() {
    let mut tickets = issued(1);
    tell(&mut tickets, offer(BUYER, "secret", 1)).expect("offered");
    assert_eq!(reason(&mut tickets.clone(), &scan("a", 2), &rules(|_| {})), None, "until then");
    assert_eq!(tell(&mut tickets, accept(FRIEND, "secret", 3)), Ok(1));
    assert_eq!(tell(&mut tickets, accept(FRIEND, "secret", 4)), Ok(0));
    assert_eq!(tickets.holder_of(&tickets.tickets[0]), Some(FRIEND));
    let old = reason(&mut tickets, &scan("b", 5), &rules(|_| {}));
    assert_eq!(old, Some(RefusalReason::Transferred));
    let new = Scan { serial: 2, ..scan("c", 6) };
    assert_eq!(reason(&mut tickets, &new, &rules(|_| {})), None);
    let again = tell(&mut tickets, offer(FRIEND, "other", 7));
    assert!(matches!(again, Err(Rejection::AlreadyAdmitted(_))));
}

#[test]
fn a_link_gives_the_ticket_once_to_somebody_else_and_in_time() {
    let mut tickets = issued(1);
    assert_eq!(tell(&mut tickets, offer(FRIEND, "x", 0)), Err(Rejection::NotHolder));
    assert_eq!(tell(&mut tickets, accept(FRIEND, "x", 0)), Err(Rejection::NoOffer));
    tell(&mut tickets, offer(BUYER, "first", 0)).expect("offered");
    tell(&mut tickets, offer(BUYER, "second", 1)).expect("offered again");
    assert_eq!(tell(&mut tickets, accept(FRIEND, "first", 2)), Err(Rejection::NoOffer));
    assert_eq!(tell(&mut tickets, accept(BUYER, "second", 2)), Err(Rejection::OwnTicket));
    let late = tell(&mut tickets, accept(FRIEND, "second", 61));
    assert_eq!(late, Err(Rejection::OfferExpired(minute(61))));
    let withdraw = |by| Command::WithdrawTransfer { ticket_id: TICKET, by, at: minute(3) };
    assert_eq!(tell(&mut tickets, withdraw(FRIEND)), Err(Rejection::NotHolder));
    assert_eq!(tell(&mut tickets, withdraw(BUYER)), Ok(1));
    assert_eq!(tell(&mut tickets, withdraw(BUYER)), Ok(0));
    assert_eq!(tell(&mut tickets, accept(FRIEND, "second", 4)), Err(Rejection::NoOffer));
}

#[test]
fn what_is_worthless_or_blocked_cannot_be_passed_on() {
    for command in [void(&[TICKET], 2), block(false)] {
        let mut tickets = issued(1);
        tell(&mut tickets, offer(BUYER, "secret", 1)).expect("offered");
        tell(&mut tickets, command).expect("done");
        let accepted = tell(&mut tickets, accept(FRIEND, "secret", 3));
        assert_eq!(accepted, Err(Rejection::NoOffer));
        assert!(tell(&mut tickets, offer(BUYER, "other", 4)).is_err());
    }
}

/// What people do with one ticket, in any order.
#[derive(Debug, Clone)]
enum Step {
    Enter(bool),
    Leave,
    Pass,
    Block,
    Unblock,
    Void,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<bool>().prop_map(Step::Enter),
        2 => Just(Step::Leave),
        1 => Just(Step::Pass),
        1 => Just(Step::Block),
        1 => Just(Step::Unblock),
        1 => Just(Step::Void),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn nobody_gets_in_online_while_somebody_is_in_and_no_history_is_lost(steps in steps()) {
        let mut tickets = issued(1);
        let rules = rules(|it| it.terms.allows_reentry = true);
        let (mut at, mut uploads, mut is_inside) = (0, 0, false);
        let mut holder = BUYER;
        for step in steps {
            at += 1;
            let nonce = at.to_string();
            let serial = tickets.tickets[0].serial;
            match step {
                Step::Enter(false) => {
                    let entry = Scan { serial, ..scan(&nonce, at) };
                    let refused = reason(&mut tickets, &entry, &rules);
                    prop_assert!(refused.is_some() || !is_inside, "two are in");
                    is_inside |= refused.is_none();
                }
                Step::Enter(true) => {
                    let entry = offline(Scan { serial, ..scan(&nonce, at) });
                    prop_assert_eq!(reason(&mut tickets, &entry, &rules), None);
                    uploads += 1;
                    is_inside = true;
                }
                Step::Leave => {
                    prop_assert_eq!(reason(&mut tickets, &exit(&nonce, at), &rules), None);
                    is_inside = false;
                }
                Step::Pass => {
                    let to = if holder == BUYER { FRIEND } else { BUYER };
                    let offered = tell(&mut tickets, offer(holder, &nonce, at));
                    if offered.is_ok() {
                        prop_assert_eq!(tell(&mut tickets, accept(to, &nonce, at)), Ok(1));
                        holder = to;
                        let old = Scan { serial, ..scan("old", at) };
                        prop_assert!(reason(&mut tickets.clone(), &old, &rules).is_some());
                    }
                }
                Step::Block => drop(tell(&mut tickets, block(false))),
                Step::Unblock => {
                    let command = Command::Unblock { ticket_id: TICKET, at: minute(at) };
                    tell(&mut tickets, command).expect("it is known");
                }
                Step::Void => drop(tell(&mut tickets, void(&[TICKET], at))),
            }
        }
        let offline = tickets.tickets[0].passed.iter().filter(|passed| passed.passage.offline);
        prop_assert_eq!(offline.count(), uploads);
    }
}
