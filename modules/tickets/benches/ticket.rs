//! Tickets alone: what a check-in costs to decide, what issuing costs, and what it takes to print a
//! ticket and its code. No I/O.

use std::{hint::black_box, sync::Arc, time::Duration};

use contracts::{
    seating::Seat,
    tickets::{IssueTickets, ScanKind, TicketPosition},
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::SignedDuration;
use runtime::Timestamp;
use store::Aggregate;
use uuid::Uuid;

use self::source::{
    domain::{
        self, OrderTickets,
        list::{Rules, Terms},
        order::{Command, Verdict},
        scan::{Passage, Scan},
    },
    paper::{self, Sheet},
    qr,
};

#[path = "../src"]
#[expect(dead_code, unused_imports, reason = "a bench uses a part of it")]
mod source {
    pub(crate) mod domain;
    pub(crate) mod paper;
    pub(crate) mod qr;
}

/// How many tickets the order has.
const TICKETS: u32 = 20;
const EVENT: Uuid = Uuid::from_u128(3);

fn minute(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn ticket_id(number: u32) -> Uuid {
    Uuid::from_u128(100 + u128::from(number))
}

fn seat(number: u32) -> Seat {
    Seat { section: "Stalls".to_owned(), row: "A".to_owned(), number: number.to_string() }
}

fn position(number: u32) -> TicketPosition {
    TicketPosition {
        ticket_type_id: Uuid::from_u128(5),
        ticket_type_name: "Stalls".to_owned(),
        position: number,
        seat: Some(seat(number)),
        valid_from: None,
        valid_until: None,
    }
}

fn issue() -> Command {
    let request = IssueTickets {
        order_id: Uuid::from_u128(1),
        holder_id: Uuid::from_u128(2),
        event_id: EVENT,
        event_name: "Winter Concert".to_owned(),
        organizer_id: Uuid::from_u128(4),
        starts_at: minute(1000),
        venue_name: "Town Hall".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        positions: (1..=TICKETS).map(position).collect(),
    };
    Command::Issue { request, ids: (1..=TICKETS).map(ticket_id).collect(), at: minute(0) }
}

fn tell(tickets: &mut OrderTickets, command: Command) {
    for event in tickets.decide(command).expect("it is done") {
        tickets.evolve(&event);
    }
}

fn issued(command: Command) -> OrderTickets {
    let mut tickets = OrderTickets::default();
    tell(&mut tickets, command);
    tickets
}

/// Somebody in the middle of the party is at the door.
fn scan() -> Scan {
    let passage = Passage {
        at: minute(990),
        device_at: None,
        entrance: Some("north".to_owned()),
        nonce: Some("0190a5b2-7c4e-7d10-8f33-2a1b5c6d7e8f".to_owned()),
        list_id: Some(EVENT),
        by: Some(Uuid::from_u128(9)),
        device: None,
        offline: false,
    };
    Scan { ticket_id: ticket_id(TICKETS / 2), serial: 1, kind: ScanKind::Entry, passage }
}

/// Whether the bearer is let in.
fn check_in(tickets: &mut OrderTickets, scan: &Scan, rules: &Arc<Rules>) -> bool {
    tell(tickets, Command::Scan { scan: scan.clone(), rules: Arc::clone(rules) });
    matches!(tickets.verdict(scan), Some(Verdict::LetThrough { .. }))
}

/// A code is so long, and of letters like these.
fn code() -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    format!("BX2.{}", letters.chars().rev().cycle().take(203).collect::<String>())
}

fn sheet(number: u32) -> Sheet {
    Sheet {
        event_name: "Winter Concert".to_owned(),
        venue_name: "Town Hall".to_owned(),
        starts_at: minute(1000),
        time_zone: "Europe/Berlin".to_owned(),
        ticket_type_name: "Stalls".to_owned(),
        seat: Some(seat(number)),
        ticket_id: ticket_id(number),
        code: code(),
    }
}

fn deciding(criterion: &mut Criterion) {
    let (organizer_id, terms) = (Uuid::from_u128(4), Terms::default_list());
    let rules = Rules { list_id: EVENT, organizer_id, event_id: EVENT, terms };
    let (tickets, rules) = (issued(issue()), Arc::new(rules));
    assert!(check_in(&mut tickets.clone(), &scan(), &rules));

    let mut group = criterion.benchmark_group("tickets");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    group.bench_function("check one of 20 in", |bencher| {
        let at_the_door = || (tickets.clone(), scan());
        let check = |(tickets, scan): &mut (_, _)| check_in(tickets, scan, &rules);
        bencher.iter_batched_ref(at_the_door, check, BatchSize::SmallInput);
    });
    group.bench_function("issue 20", |bencher| {
        bencher.iter_batched(issue, issued, BatchSize::SmallInput);
    });
    group.finish();
}

fn printing(criterion: &mut Criterion) {
    let code = code();

    let mut group = criterion.benchmark_group("paper");
    group.sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    for (name, pages) in [("print one ticket", 1), ("print 20 tickets", TICKETS)] {
        group.bench_function(name, |bencher| {
            let sheets: Vec<Sheet> = (1..=pages).map(sheet).collect();
            bencher.iter(|| paper::document(black_box(&sheets)).expect("a document"));
        });
    }
    group.bench_function("the code of a page", |bencher| {
        bencher.iter(|| qr::stretches(black_box(&code)).expect("it fits"));
    });
    group.finish();
}

criterion_group!(benches, deciding, printing);
criterion_main!(benches);
