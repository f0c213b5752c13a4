//! The service and the sandbox provider on a database, without a node around them.

use std::time::Duration;

use contracts::{
    money::Money,
    payments::{AttemptState, PaymentStatus, RefundState},
};
use iso_currency::Currency;
use runtime::{DEFAULT_DEADLINE, Principal, Random, Secret, SystemRandom, TraceContext};
use store::{Committer, Database, DatabaseSettings, Work};
use tempfile::TempDir;
use testkit::TestClock;
use tokio::{task::JoinSet, time::Instant};

use super::*;
use crate::{
    card::CardNumber,
    domain::{Decline, Outcome, RefundOutcome},
    provider::{Charge, Method, Repayment},
    sandbox::SandboxProvider,
    signature::Secrets,
    views::{self, PaymentList},
};

const ORDER: Uuid = Uuid::from_u128(0xA);
const FIRST: Uuid = Uuid::from_u128(1);

/// A service with its provider, over a database of its own.
struct Bench {
    service: Service,
    clock: TestClock,
    _committing: JoinSet<()>,
    _directory: TempDir,
}

impl Bench {
    async fn on(url: &str) -> Self {
        let (database, directory) = database(url).await;
        let clock = TestClock::at("2027-05-02T10:00:00Z");
        let ids = Ids::new(Arc::new(clock.clone()), Arc::new(SystemRandom::default()));
        let (committer, work) =
            Committer::new(&database, Arc::new(clock.clone()), ids.clone(), None);
        let mut committing = JoinSet::new();
        committing.spawn(work.run());
        let provider = SandboxProvider {
            committer: committer.clone(),
            clock: Arc::new(clock.clone()),
            secrets: Secrets::parse(&Secret::from("whsec".to_owned())),
            notifier: None,
        };
        let service = Service {
            payments: Events::new(&committer, PaymentList),
            provider: Arc::new(provider),
            clock: Arc::new(clock.clone()),
            ids,
            provider_timeout: Duration::from_secs(5),
        };
        Self { service, clock, _committing: committing, _directory: directory }
    }

    async fn sqlite() -> Self {
        Self::on("").await
    }

    async fn open(&self) -> PaymentReply {
        let expires_at = later(self.clock.now(), SignedDuration::from_mins(15));
        let request = OpenPayment {
            order_id: ORDER,
            payer_id: Uuid::from_u128(0xB),
            organizer_id: Uuid::from_u128(0xC),
            amount: Money::new(5000, Currency::EUR),
            expires_at,
        };
        self.service.open(&cx(), request).await.unwrap()
    }

    async fn pay(&self, attempt_id: Uuid, number: &str) -> AttemptState {
        self.begin(attempt_id, number).await;
        self.charge(attempt_id, number).await
    }

    async fn begin(&self, attempt_id: Uuid, number: &str) {
        let method = card(number);
        self.service.begin(&cx(), ORDER, attempt_id, &method).await.unwrap();
    }

    /// What becomes of an attempt that was begun.
    async fn charge(&self, attempt_id: Uuid, number: &str) -> AttemptState {
        let payment = self.payment().await;
        let charged =
            self.service.charge(&cx(), ORDER, &payment, attempt_id, true, card(number)).await;
        let concluded = self.service.conclude(&cx(), ORDER, attempt_id, charged, |_, _| ()).await;
        concluded.unwrap().state.attempt(attempt_id).unwrap().state
    }

    async fn payment(&self) -> Payment {
        self.service.payments.load(ORDER).await.unwrap().unwrap().state
    }

    async fn wake_after(&self, wait: SignedDuration) -> Payment {
        self.clock.advance(wait);
        self.service.wake(&cx(), ORDER).await.unwrap();
        self.payment().await
    }

    async fn refund(&self) -> PaymentStatus {
        let request = RefundOrder {
            order_id: ORDER,
            reason: "rain".to_owned(),
            refund_id: None,
            amount: None,
        };
        self.service.refund(&cx(), request).await.unwrap().status
    }
}

fn card(number: &str) -> Method {
    Method::Card(CardNumber::parse(number).unwrap())
}

async fn database(url: &str) -> (Database, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let settings = DatabaseSettings { url: Secret::from(url.to_owned()), ..Default::default() };
    let database = Database::connect(&settings, "payments", directory.path()).await.unwrap();
    crate::SCHEMA.up_on(&database).await.unwrap();
    (database, directory)
}

fn cx() -> Context {
    let random: &dyn Random = &SystemRandom::default();
    let principal = Principal::Service { name: "orders".to_owned() };
    Context::new(principal, Instant::now() + DEFAULT_DEADLINE, "test", TraceContext::start(random))
}

async fn prepare_all_on(url: &str) {
    let (database, _directory) = database(url).await;
    let all = [views::STATEMENTS, views::sandbox::STATEMENTS, views::webhooks::STATEMENTS].concat();
    assert_eq!(store::prepare_all(&database, &all).await, Ok(()));
    crate::SCHEMA.down_on(&database, 2).await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn sqlite_understands_every_statement() {
    prepare_all_on("").await;
}

#[tokio::test]
async fn postgres_understands_every_statement() {
    prepare_all_on(testkit::postgres::fresh_database().await.as_str()).await;
}

fn charge(id: u128) -> Charge {
    Charge {
        id: Uuid::from_u128(id),
        payment_id: Uuid::from_u128(0xF),
        order_id: ORDER,
        amount: Money::new(5000, Currency::EUR),
        reference: None,
        begun_at: "2027-05-02T10:00:00Z".parse().unwrap(),
        is_new: true,
    }
}

fn repayment(id: u128, charge: &str) -> Repayment {
    let amount = Money::new(5000, Currency::EUR);
    Repayment { id: Uuid::from_u128(id), order_id: ORDER, charge: charge.to_owned(), amount }
}

impl Bench {
    /// What the provider says of a charge, once that is in its books.
    async fn ask(&self, charge: &Charge, number: &str) -> Outcome {
        let cx = cx();
        let charged = self.service.provider.charge(&cx, charge, card(number)).await;
        let committer = self.service.payments.committer();
        let booked = committer.transact(&cx, move |work: &mut Work<'_>| {
            let charged = charged.clone();
            Box::pin(async move { charged.outcome(work.tx()).await })
        });
        booked.await.unwrap()
    }
}

async fn every_card_does_as_it_says(bench: Bench) {
    let provider = &bench.service.provider;
    let cx = cx();
    let reference = format!("sandbox_{}", Uuid::from_u128(1).simple());
    let paid = Outcome::Succeeded { reference: reference.clone() };
    assert_eq!(bench.ask(&charge(1), "4242424242424242").await, paid);
    // The id counts, not the card.
    assert_eq!(bench.ask(&charge(1), "4000000000000002").await, paid);
    assert_eq!(provider.cancel(&cx, &charge(1)).await, paid);
    let declined = |reason| Outcome::Declined { reason };
    let plainly = declined(Decline::Declined);
    assert_eq!(bench.ask(&charge(2), "4000000000000002").await, plainly);
    assert_eq!(bench.ask(&charge(3), "5555555555554444").await, plainly);
    let broke = declined(Decline::InsufficientFunds);
    assert_eq!(bench.ask(&charge(4), "4000000000009995").await, broke);
    assert_eq!(provider.fetch(&cx, &charge(4)).await, Some(broke));

    let url = format!("/v1/payments/{}/confirm", Uuid::from_u128(0xF));
    let asks = |id: u128| Outcome::ActionRequired {
        url: url.clone(),
        reference: Some(format!("sandbox_{}", Uuid::from_u128(id).simple())),
    };
    assert_eq!(bench.ask(&charge(5), "4000000000003220").await, asks(5));
    let refused = declined(Decline::NotApproved);
    assert_eq!(provider.complete_action(&cx, &charge(5), false).await, refused);
    assert_eq!(provider.complete_action(&cx, &charge(5), true).await, refused);
    assert_eq!(bench.ask(&charge(6), "4000000000003220").await, asks(6));
    assert_eq!(provider.cancel(&cx, &charge(6)).await, Outcome::Cancelled);

    // What was called off before it came cannot come any more.
    assert_eq!(provider.fetch(&cx, &charge(7)).await, None);
    assert_eq!(provider.cancel(&cx, &charge(7)).await, Outcome::Cancelled);
    assert_eq!(bench.ask(&charge(7), "4242424242424242").await, Outcome::Cancelled);
    assert_eq!(provider.order_of(&cx, &reference).await, Some(Some(ORDER)));
    assert_eq!(provider.order_of(&cx, "sandbox_1").await, Some(None));

    assert_eq!(provider.refunds(&cx, &reference).await, Some(vec![]));
    for _ in 0..2 {
        assert_eq!(provider.refund(&cx, &repayment(11, &reference)).await, RefundOutcome::Done);
    }
    let known = provider.refunds(&cx, &reference).await.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].id, &known[0].outcome), (Some(Uuid::from_u128(11)), &RefundOutcome::Done));
    let more = provider.refund(&cx, &repayment(12, &reference)).await;
    assert!(matches!(more, RefundOutcome::Failed { .. }), "{more:?}");
    let unknown = provider.refund(&cx, &repayment(12, "ch_1")).await;
    assert!(matches!(unknown, RefundOutcome::Failed { .. }), "{unknown:?}");
}

#[tokio::test]
async fn every_card_does_as_it_says_on_sqlite() {
    every_card_does_as_it_says(Bench::sqlite().await).await;
}

#[tokio::test]
async fn every_card_does_as_it_says_on_postgres() {
    let url = testkit::postgres::fresh_database().await;
    every_card_does_as_it_says(Bench::on(url.as_str()).await).await;
}

#[tokio::test]
async fn an_attempt_that_never_reached_the_provider_is_called_off_for_good() {
    let bench = Bench::sqlite().await;
    bench.open().await;
    bench.begin(FIRST, "4242424242424242").await;
    let payment = bench.wake_after(SignedDuration::from_secs(60)).await;
    assert_eq!(payment.status(), PaymentStatus::Open);
    assert_eq!(payment.attempts[0].state, AttemptState::Cancelled);
    assert_eq!(bench.charge(FIRST, "4242424242424242").await, AttemptState::Cancelled);
}

#[tokio::test]
async fn an_attempt_that_was_left_after_the_provider_took_the_money_is_found() {
    let bench = Bench::sqlite().await;
    bench.open().await;
    bench.begin(FIRST, "4242424242424242").await;
    let begun = bench.payment().await;
    let charge = attempts::charge_for(ORDER, &begun, &begun.attempts[0]).unwrap();
    bench.ask(&charge, "4242424242424242").await;
    let payment = bench.wake_after(SignedDuration::from_secs(60)).await;
    assert_eq!(payment.status(), PaymentStatus::Settled);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for() {
    let mut bench = Bench::sqlite().await;
    bench.service.provider_timeout = Duration::from_millis(500);
    bench.open().await;
    assert_eq!(bench.pay(FIRST, "4000000000000341").await, AttemptState::Pending);
    assert_eq!(bench.payment().await.status(), PaymentStatus::Pending);
    bench.service.provider_timeout = Duration::from_secs(5);
    let payment = bench.wake_after(SignedDuration::from_secs(1)).await;
    assert_eq!(payment.status(), PaymentStatus::Settled);
}

#[tokio::test]
async fn closing_finds_out_what_became_of_the_money() {
    let mut bench = Bench::sqlite().await;
    bench.service.provider_timeout = Duration::from_millis(500);
    let opened = bench.open().await;
    bench.pay(FIRST, "4000000000000341").await;
    bench.service.provider_timeout = Duration::from_secs(5);
    let closed = bench.service.close(&cx(), ClosePayment { order_id: ORDER }).await.unwrap();
    assert_eq!(closed.payment_id, opened.payment_id);
    assert_eq!(closed.status, PaymentStatus::Settled);
}

#[tokio::test]
async fn closing_calls_off_a_second_step() {
    let bench = Bench::sqlite().await;
    bench.open().await;
    bench.pay(FIRST, "4000000000003220").await;
    let closed = bench.service.close(&cx(), ClosePayment { order_id: ORDER }).await.unwrap();
    assert_eq!(closed.status, PaymentStatus::Closed);
    let charge = Charge { id: FIRST, ..charge(1) };
    let late = bench.service.provider.complete_action(&cx(), &charge, true).await;
    assert_eq!(late, Outcome::Cancelled);
}

#[tokio::test]
async fn a_second_step_that_nobody_takes_is_called_off_when_the_time_is_over() {
    let bench = Bench::sqlite().await;
    bench.open().await;
    bench.pay(FIRST, "4000000000003220").await;
    let early = bench.wake_after(SignedDuration::from_mins(10)).await;
    assert_eq!(early.attempts[0].state, AttemptState::ActionRequired);
    let late = bench.wake_after(SignedDuration::from_mins(5)).await;
    assert_eq!(late.attempts[0].state, AttemptState::Cancelled);
}

#[tokio::test]
async fn an_order_that_was_never_opened_is_closed_and_refunded_without_ado() {
    let bench = Bench::sqlite().await;
    assert_eq!(bench.refund().await, PaymentStatus::Closed);
    let closed = bench.service.close(&cx(), ClosePayment { order_id: ORDER }).await.unwrap();
    assert_eq!(closed.status, PaymentStatus::Closed);
    let request = OpenPayment {
        order_id: ORDER,
        payer_id: FIRST,
        organizer_id: FIRST,
        amount: Money::new(1, Currency::EUR),
        expires_at: bench.clock.now(),
    };
    let opened = bench.service.open(&cx(), request).await;
    assert_eq!(opened, Err(PaymentError::Closed { order_id: ORDER }));
}

#[tokio::test]
async fn money_is_given_back_once_however_often_it_is_asked_for() {
    let bench = Bench::sqlite().await;
    bench.open().await;
    bench.pay(FIRST, "4242424242424242").await;
    assert_eq!(bench.refund().await, PaymentStatus::Refunded);
    assert_eq!(bench.refund().await, PaymentStatus::Refunded);
    assert_eq!(bench.payment().await.refunds.len(), 1);
}

#[tokio::test]
async fn a_refund_on_its_way_arrives() {
    let bench = Bench::sqlite().await;
    bench.open().await;
    bench.pay(FIRST, "4000000000007726").await;
    assert_eq!(bench.refund().await, PaymentStatus::Refunding);
    assert_eq!(bench.payment().await.refunds[0].state, RefundState::InTransit);
    let payment = bench.wake_after(SignedDuration::from_secs(60)).await;
    assert_eq!(payment.status(), PaymentStatus::Refunded);
}

#[tokio::test]
async fn a_refused_refund_is_tried_again_with_another_number() {
    let bench = Bench::sqlite().await;
    bench.open().await;
    bench.pay(FIRST, "4000000000005126").await;
    assert_eq!(bench.refund().await, PaymentStatus::Refunding);
    assert_eq!(bench.refund().await, PaymentStatus::Refunding);
    let payment = bench.wake_after(SignedDuration::from_secs(60)).await;
    let states: Vec<_> = payment.refunds.iter().map(|it| (it.number, it.state)).collect();
    assert_eq!(states, [(1, RefundState::Failed), (2, RefundState::Failed)]);
    assert!(payment.refunds[0].failure.is_some());
}
