//! The order alone: what a purchase costs to decide, to replay from its events, and to store and to
//! read as a snapshot. No I/O.

use std::{hint::black_box, time::Duration};

use contracts::{
    money::{Money, Tax, TaxRounding},
    orders::{OrderState, OrderedItem},
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use iso_currency::Currency;
use jiff::SignedDuration;
use runtime::Timestamp;
use serde_json::Value;
use store::Aggregate;
use uuid::Uuid;

use self::source::domain::{Command, Event, Order, Terms};

#[path = "../src"]
#[expect(dead_code, unused_imports, reason = "a bench uses a part of it")]
mod source {
    pub(crate) mod domain;
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn euros(cents: i64) -> Money {
    Money::new(cents, Currency::EUR)
}

fn item(ticket_type: u128, name: &str, quantity: u32, cents: i64) -> OrderedItem {
    OrderedItem {
        ticket_type_id: Uuid::from_u128(ticket_type),
        name: name.to_owned(),
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
        items: vec![item(5, "Stalls", 2, 2500), item(6, "Balcony", 1, 1000)],
        total: euros(6000),
        tax_rounding: TaxRounding::PerLine,
    }
}

/// All that an order is told from placing to tickets.
fn commands() -> Vec<Command> {
    let (payment_id, terms) = (Uuid::from_u128(9), terms());
    let (items, amount) = (terms.places(), terms.total);
    vec![
        Command::Place { terms, access: None, at: second(0) },
        Command::RecordHold { expires_at: second(900), items, at: second(1) },
        Command::RecordPaymentOpened { payment_id, closes_at: second(870), at: second(2) },
        Command::RecordPayment { payment_id, amount, at: second(10) },
        Command::RecordConfirmation { at: second(11) },
        Command::RecordTickets {
            ticket_ids: (21..24).map(Uuid::from_u128).collect(),
            at: second(12),
        },
    ]
}

/// Decides on each command and asks what is to be done next, as whoever drives an order does.
fn purchase(commands: Vec<Command>) -> (Order, Vec<Event>) {
    let mut order = Order::default();
    let mut happened = Vec::new();
    for command in commands {
        let events = order.decide(command).expect("the purchase goes on");
        for event in &events {
            order.evolve(event);
        }
        black_box(order.next_step());
        happened.extend(events);
    }
    (order, happened)
}

fn replay(events: &[Event]) -> Order {
    let mut order = Order::default();
    for event in events {
        order.evolve(event);
    }
    order
}

/// By way of a [`Value`], as the store does it.
fn store_snapshot(order: &Order) -> String {
    serde_json::to_value(order).expect("it can be written").to_string()
}

fn read_snapshot(snapshot: &str) -> Order {
    let state: Value = serde_json::from_str(snapshot).expect("it is JSON");
    serde_json::from_value(state).expect("it is an order")
}

fn orders(criterion: &mut Criterion) {
    let (fulfilled, events) = purchase(commands());
    assert_eq!(fulfilled.state, OrderState::Fulfilled);
    assert_eq!(replay(&events), fulfilled);
    let snapshot = store_snapshot(&fulfilled);
    assert_eq!(read_snapshot(&snapshot), fulfilled);

    let mut group = criterion.benchmark_group("order");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.bench_function("a purchase from placing to tickets", |bencher| {
        bencher.iter_batched(commands, purchase, BatchSize::SmallInput);
    });
    group.bench_function("replay a purchase", |bencher| {
        bencher.iter(|| replay(black_box(&events)));
    });
    group.bench_function("store a snapshot", |bencher| {
        bencher.iter(|| store_snapshot(black_box(&fulfilled)));
    });
    group.bench_function("read a snapshot", |bencher| {
        bencher.iter(|| read_snapshot(black_box(&snapshot)));
    });
    group.finish();
}

criterion_group!(benches, orders);
criterion_main!(benches);
