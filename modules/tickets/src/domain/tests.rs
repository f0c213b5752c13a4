use jiff::SignedDuration;

use super::*;

fn minute(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn request(positions: usize) -> IssueTickets {
    let position = TicketPosition {
        ticket_type_id: Uuid::from_u128(5),
        ticket_type_name: "Stalls".to_owned(),
    };
    IssueTickets {
        order_id: Uuid::from_u128(1),
        holder_id: Uuid::from_u128(2),
        event_id: Uuid::from_u128(3),
        event_name: "Winter Concert".to_owned(),
        organizer_id: Uuid::from_u128(4),
        starts_at: minute(1000),
        venue_name: "Town Hall".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        positions: vec![position; positions],
    }
}

fn issue(positions: usize, first_id: u128) -> Command {
    let ids = (0..positions as u128).map(|number| Uuid::from_u128(first_id + number)).collect();
    Command::Issue { request: request(positions), ids, at: minute(0) }
}

fn scan(ticket: u128, nonce: Option<&str>, at: i64) -> Scan {
    Scan {
        ticket_id: Uuid::from_u128(ticket),
        serial: 1,
        entrance: Some("north".to_owned()),
        nonce: nonce.map(str::to_owned),
        at: minute(at),
    }
}

fn tell(tickets: &mut OrderTickets, command: Command) -> Result<usize, Rejection> {
    let events = tickets.decide(command)?;
    for event in &events {
        tickets.evolve(event);
    }
    Ok(events.len())
}

fn issued(positions: usize) -> OrderTickets {
    let mut tickets = OrderTickets::default();
    tell(&mut tickets, issue(positions, 100)).expect("issued");
    tickets
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
    tell(&mut tickets, Command::Admit(scan(100, None, 10))).expect("let in");
    let second = tell(&mut tickets, Command::Admit(scan(100, None, 11)));
    let Err(Rejection::AlreadyAdmitted(before)) = second else {
        panic!("let in twice: {second:?}")
    };
    assert_eq!((before.at, before.entrance.as_deref()), (minute(10), Some("north")));
}

#[test]
fn an_upload_that_is_repeated_with_its_nonce_is_no_second_scan() {
    let mut tickets = issued(1);
    tell(&mut tickets, Command::Admit(scan(100, Some("a1"), 10))).expect("let in");
    assert_eq!(tell(&mut tickets, Command::Admit(scan(100, Some("a1"), 12))), Ok(0));
    assert!(tell(&mut tickets, Command::Admit(scan(100, Some("b2"), 13))).is_err());
    let elsewhere = Scan { entrance: Some("south".to_owned()), ..scan(100, Some("a1"), 14) };
    assert!(tell(&mut tickets, Command::Admit(elsewhere)).is_err());
}

#[test]
fn a_void_ticket_lets_nobody_in() {
    let mut tickets = issued(1);
    tell(&mut tickets, Command::Void { reason: "refunded".to_owned(), at: minute(5) })
        .expect("voided");
    assert!(matches!(
        tell(&mut tickets, Command::Admit(scan(100, None, 10))),
        Err(Rejection::Voided(_))
    ));
}

#[test]
fn an_order_whose_tickets_were_voided_before_they_were_issued_gets_none() {
    let mut tickets = OrderTickets::default();
    tell(&mut tickets, Command::Void { reason: "cancelled".to_owned(), at: minute(0) })
        .expect("voided");
    assert!(matches!(tell(&mut tickets, issue(1, 100)), Err(Rejection::Voided(_))));
}

#[test]
fn a_ticket_of_another_order_or_an_old_code_is_unknown() {
    let mut tickets = issued(1);
    assert_eq!(
        tell(&mut tickets, Command::Admit(scan(7, None, 10))),
        Err(Rejection::UnknownTicket)
    );
    let old = Scan { serial: 0, ..scan(100, None, 10) };
    assert_eq!(tell(&mut tickets, Command::Admit(old)), Err(Rejection::UnknownTicket));
}

#[test]
fn an_upload_that_is_repeated_after_the_ticket_became_void_is_still_no_second_scan() {
    let mut tickets = issued(1);
    tell(&mut tickets, Command::Admit(scan(100, Some("a1"), 10))).expect("let in");
    let void = Command::Void { reason: "refunded".to_owned(), at: minute(11) };
    tell(&mut tickets, void).expect("voided");
    assert_eq!(tell(&mut tickets, Command::Admit(scan(100, Some("a1"), 12))), Ok(0));
    let another = tell(&mut tickets, Command::Admit(scan(100, Some("b2"), 13)));
    assert!(matches!(another, Err(Rejection::Voided(_))));
}
