//! The stock alone: what it costs to hold and to sell places when much has been sold, to choose the
//! best seats, and to tell what is free. No I/O.

use std::{hint::black_box, time::Duration};

use contracts::{
    catalog::{Capacity, TicketTypeCapacity},
    inventory::Places,
    seating::{SeatRow, SeatSection},
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::SignedDuration;
use runtime::Timestamp;
use store::Aggregate;
use uuid::Uuid;

use self::source::domain::{Command, HoldWish, Stock};

#[path = "../src"]
#[expect(dead_code, unused_imports, reason = "a bench uses a part of it")]
mod source {
    pub(crate) mod domain;
}

/// Holds that were confirmed before.
const SOLD: u32 = 10_000;
/// Purchases that share one copy of a stock, so that it hardly grows while it is measured.
const PURCHASES: u32 = 100;
const ROWS: u32 = 40;
const SEATS_IN_ROW: u32 = 50;
const HALL: Uuid = Uuid::from_u128(1);

fn minute(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

/// Spread like real ones.
fn hold_id(number: u32) -> Uuid {
    Uuid::new_v5(&HALL, &number.to_be_bytes())
}

fn hold(number: u32, items: Vec<Places>) -> Command {
    Command::Hold(HoldWish {
        hold_id: hold_id(number),
        holder_id: hold_id(number),
        order_id: Some(hold_id(number)),
        items,
        expires_at: minute(15),
        now: minute(0),
        most_open: 5,
    })
}

fn confirm(number: u32) -> Command {
    Command::Confirm { hold_id: hold_id(number), now: minute(1) }
}

fn tell(stock: &mut Stock, command: Command) {
    for event in stock.decide(command).expect("there is room") {
        stock.evolve(&event);
    }
}

fn on_sale(ticket_type: TicketTypeCapacity, seating: Vec<SeatSection>) -> Stock {
    let mut stock = Stock::default();
    let ticket_types = vec![ticket_type];
    tell(&mut stock, Command::SetProgramme { ticket_types, quotas: Vec::new(), seating });
    tell(&mut stock, Command::OpenSale);
    stock
}

/// General admission, of which much is sold.
fn field() -> Stock {
    let capacity = Capacity::limited(1_000_000);
    let mut stock = on_sale(TicketTypeCapacity::of_its_own(HALL, "Field", capacity), Vec::new());
    for number in 0..SOLD {
        tell(&mut stock, hold(number, vec![Places::any(HALL, 2)]));
        tell(&mut stock, confirm(number));
    }
    stock
}

/// 2,000 seats.
fn stalls() -> SeatSection {
    let row = |row: u32| SeatRow {
        name: row.to_string(),
        seats: (1..=SEATS_IN_ROW).map(|number| number.to_string()).collect(),
    };
    SeatSection { name: "Stalls".to_owned(), rows: (1..=ROWS).map(row).collect() }
}

fn house() -> Stock {
    let (stalls, seats) = (stalls(), Capacity::UNLIMITED);
    let seats = TicketTypeCapacity::of_its_own(HALL, "Seat", seats);
    on_sale(TicketTypeCapacity { sections: vec![stalls.name.clone()], ..seats }, vec![stalls])
}

/// Half sold to parties of one to five, each of which got the best seats that were left.
fn half_sold_house() -> Stock {
    let mut stock = house();
    let (mut left, mut number) = (ROWS * SEATS_IN_ROW / 2, 0);
    while left > 0 {
        let party = (1 + number % 5).min(left);
        tell(&mut stock, hold(number, vec![Places::any(HALL, party)]));
        tell(&mut stock, confirm(number));
        left -= party;
        number += 1;
    }
    stock
}

/// Half sold so that no two free seats are side by side.
fn riddled_house() -> Stock {
    let mut stock = house();
    for (number, seat) in (0..).zip(stalls().seats().step_by(2)) {
        let place = Places { ticket_type_id: HALL, quantity: 1, seats: vec![seat] };
        tell(&mut stock, hold(number, vec![place]));
        tell(&mut stock, confirm(number));
    }
    stock
}

/// Purchases of two places each, with holds that the stock does not know.
fn purchases() -> Vec<Command> {
    let purchase = |number: u32| [hold(number, vec![Places::any(HALL, 2)]), confirm(number)];
    (SOLD..SOLD + PURCHASES).flat_map(purchase).collect()
}

fn selling(criterion: &mut Criterion) {
    let field = field();

    let mut group = criterion.benchmark_group("stock of 10,000 holds");
    group.sample_size(20);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    group.bench_function("tell what is free", |bencher| {
        bencher.iter(|| black_box(&field).availability(minute(1)));
    });
    group.throughput(Throughput::Elements(u64::from(PURCHASES)));
    group.bench_function("100 times: hold two places, confirm them", |bencher| {
        let opened = || (field.clone(), purchases());
        let sell = |(stock, commands): &mut (Stock, Vec<Command>)| {
            commands.drain(..).for_each(|command| tell(stock, command));
        };
        bencher.iter_batched_ref(opened, sell, BatchSize::PerIteration);
    });
    group.finish();
}

fn choosing(criterion: &mut Criterion) {
    let four = hold(SOLD, vec![Places::any(HALL, 4)]);
    for (name, house) in [("half sold", half_sold_house()), ("riddled", riddled_house())] {
        let mut group = criterion.benchmark_group(format!("{name} house of 2,000 seats"));
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(1));
        group.bench_function("choose the best four", |bencher| {
            let choose = |command| house.decide(command).expect("there are four");
            bencher.iter_batched(|| four.clone(), choose, BatchSize::SmallInput);
        });
        group.bench_function("tell what is free", |bencher| {
            bencher.iter(|| black_box(&house).availability(minute(1)));
        });
        group.finish();
    }
}

criterion_group!(benches, selling, choosing);
criterion_main!(benches);
