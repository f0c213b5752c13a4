//! The payment alone: what it costs to decide on an attempt that succeeds, and on giving back a part
//! of the money. No I/O.

use std::time::Duration;

use contracts::{money::Money, payments::PaymentStatus};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use iso_currency::Currency;
use jiff::SignedDuration;
use runtime::Timestamp;
use store::Aggregate;
use uuid::Uuid;

use self::source::{
    card::{self, CardNumber},
    domain::{Command, Outcome, Payment, RefundOutcome, Terms},
};

#[path = "../src"]
#[expect(dead_code, unused_imports, reason = "a bench uses a part of it")]
mod source {
    pub(crate) mod card;
    pub(crate) mod domain;
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn euros(cents: i64) -> Money {
    Money::new(cents, Currency::EUR)
}

/// All that a payment is told which succeeds at the first attempt.
fn success() -> Vec<Command> {
    let terms = Terms {
        payer_id: Uuid::from_u128(1),
        organizer_id: Uuid::from_u128(2),
        amount: euros(6000),
        expires_at: second(900),
        opened_at: second(0),
    };
    let card = CardNumber::parse("4242424242424242").expect("it is a card number").summary();
    let attempt_id = Uuid::from_u128(4);
    vec![
        Command::Open { payment_id: Uuid::from_u128(3), terms },
        Command::BeginAttempt { attempt_id, card: Some(card), ask_at: second(15), at: second(10) },
        Command::RecordOutcome {
            attempt_id,
            outcome: Outcome::Succeeded { reference: "ch_1".to_owned() },
            ask_at: second(12),
            at: second(11),
        },
    ]
}

/// All that a settled payment is told of which a part is given back.
fn partial_refund() -> Vec<Command> {
    let refund_id = Uuid::from_u128(5);
    vec![
        Command::BeginRefund {
            refund_id,
            amount: Some(euros(2500)),
            reason: "rain".to_owned(),
            ask_at: second(105),
            at: second(100),
        },
        Command::RecordRefund {
            refund_id,
            outcome: RefundOutcome::Done,
            ask_at: second(161),
            at: second(101),
        },
    ]
}

fn tell(mut payment: Payment, commands: Vec<Command>) -> Payment {
    for command in commands {
        for event in payment.decide(command).expect("the payment goes on") {
            payment.evolve(&event);
        }
    }
    payment
}

fn payments(criterion: &mut Criterion) {
    let settled = tell(Payment::default(), success());
    assert_eq!(settled.status(), PaymentStatus::Settled);
    assert_eq!(tell(settled.clone(), partial_refund()).left(), 3500);

    let mut group = criterion.benchmark_group("payment");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.bench_function("open, attempt, success", |bencher| {
        let new = || (Payment::default(), success());
        let pay = |(payment, commands)| tell(payment, commands);
        bencher.iter_batched(new, pay, BatchSize::SmallInput);
    });
    group.bench_function("a partial refund", |bencher| {
        let paid = || (settled.clone(), partial_refund());
        let refund = |(payment, commands)| tell(payment, commands);
        bencher.iter_batched(paid, refund, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, payments);
criterion_main!(benches);
