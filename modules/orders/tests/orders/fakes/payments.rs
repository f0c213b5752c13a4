//! Payments: money that a test lets arrive, and that goes back when orders wants it to.

use std::collections::BTreeMap;

use super::*;
use contracts::payments::{
    ClosePayment, FindPayment, OpenPayment, Payment, PaymentBooks, PaymentError, PaymentEvent,
    PaymentStatus, Payments, RefundLine, RefundOrder, RefundState,
};

pub(crate) static PAYMENTS: Module = module(
    "payments",
    &[
        "/v1/fakes/payments",
        "/v1/fakes/pay",
        "/v1/fakes/pay-untold",
        "/v1/fakes/money",
        "/v1/fakes/give-back",
        "/v1/fakes/bounce",
        "/v1/fakes/repeat",
    ],
    &[Provided::of::<dyn Payments>()],
    PaymentEvent::NAMES,
    |boot| {
        Box::pin(async {
            let hub = boot.extension::<Hub>().ok_or_else(|| StartError::new("there is no hub"))?;
            let till = Arc::new(Till::default());
            hub.offer(PaymentEvent::PUBLISHER, Arc::clone(&till.told) as Arc<dyn Source>);
            let (paid, shown, given) = (Arc::clone(&till), Arc::clone(&till), Arc::clone(&till));
            let pay = async move |Path(order_id): Path<Uuid>| {
                let amount = paid.settle(order_id);
                paid.tell_of(order_id, amount);
            };
            let untold = Arc::clone(&till);
            let pay_untold = async move |Path(order_id): Path<Uuid>| {
                untold.settle(order_id);
            };
            let show = async move |Path(id): Path<Uuid>| axum::Json(json!(shown.books(id)));
            let give = async move |Path((order_id, cents)): Path<(Uuid, i64)>| {
                given.give_back(order_id, cents);
            };
            let (bounced, repeated) = (Arc::clone(&till), Arc::clone(&till));
            let bounce = async move |Path((order_id, will_retry)): Path<(Uuid, bool)>| {
                bounced.bounce(order_id, will_retry);
            };
            let repeat = async move |Path(order_id): Path<Uuid>| repeated.repeat(order_id);
            let moods = Arc::new(Moods::default());
            let routes = Router::new()
                .route("/v1/fakes/bounce/{order_id}/{will_retry}", post(bounce))
                .route("/v1/fakes/repeat/{order_id}", post(repeat))
                .route("/v1/fakes/pay/{order_id}", post(pay))
                .route("/v1/fakes/pay-untold/{order_id}", post(pay_untold))
                .route("/v1/fakes/give-back/{order_id}/{cents}", post(give))
                .route("/v1/fakes/money/{order_id}", get(show));
            boot.public(moods.routes("payments").merge(routes));
            boot.provide::<dyn Payments>(Arc::new(FakePayments { moods, till }));
            Ok(())
        })
    },
);

/// The money of one order.
#[derive(Clone)]
struct Account {
    status: PaymentStatus,
    amount: Money,
    received: i64,
    refunds: BTreeMap<Uuid, i64>,
    /// What the bank has sent back.
    bounced: BTreeMap<Uuid, i64>,
}

impl Account {
    fn opened(amount: Money) -> Self {
        let status = if amount.is_zero() { PaymentStatus::Settled } else { PaymentStatus::Open };
        Self { status, amount, received: 0, refunds: BTreeMap::new(), bounced: BTreeMap::new() }
    }

    fn left(&self) -> i64 {
        self.received - self.refunds.values().sum::<i64>()
    }

    fn given(&self) -> Money {
        Money::new(self.received - self.left(), self.amount.currency)
    }

    /// The same refund again is the first one.
    fn refund(&mut self, id: Uuid, amount: i64) -> RefundLine {
        let amount = *self.refunds.entry(id).or_insert(amount);
        if self.received > 0 && self.left() == 0 {
            self.status = PaymentStatus::Refunded;
        }
        let amount = Money::new(amount, self.amount.currency);
        RefundLine { refund_id: id, number: 1, amount, state: RefundState::Done }
    }
}

/// The money of all orders, and everything that was told of it.
#[derive(Default)]
struct Till {
    accounts: Mutex<HashMap<Uuid, Account>>,
    told: Arc<Told<PaymentEvent>>,
}

impl Till {
    /// Where the payment stands, and how much is left of what came.
    fn books(&self, order_id: Uuid) -> Option<(PaymentStatus, i64)> {
        lock(&self.accounts).get(&order_id).map(|account| (account.status, account.left()))
    }

    /// The buyer's money arrives, be it welcome or not: how much.
    fn settle(&self, order_id: Uuid) -> Money {
        let mut accounts = lock(&self.accounts);
        let account = accounts.entry(order_id);
        let account = account.or_insert_with(|| Account::opened(Money::new(5000, Currency::EUR)));
        account.status = PaymentStatus::Settled;
        account.received = account.amount.amount;
        account.amount
    }

    fn tell_of(&self, order_id: Uuid, amount: Money) {
        self.told.tell(&PaymentEvent::PaymentSettled {
            order_id,
            payment_id: payment_id(order_id),
            amount,
            settled_at: SystemClock.now(),
        });
    }

    /// The organizer gives money back beside.
    fn give_back(&self, order_id: Uuid, cents: i64) {
        let refund_id = Uuid::from_u128(0x61F7);
        self.give(order_id, refund_id, refund_id, cents);
    }

    fn give(&self, order_id: Uuid, refund_id: Uuid, requested: Uuid, cents: i64) {
        let (refund, total, whole) = {
            let mut accounts = lock(&self.accounts);
            let Some(account) = accounts.get_mut(&order_id) else { return };
            (account.refund(refund_id, cents), account.given(), account.left() == 0)
        };
        self.told.tell(&PaymentEvent::PaymentRefunded {
            requested_refund_id: Some(requested),
            order_id,
            payment_id: payment_id(order_id),
            amount: refund.amount,
            refunded_at: SystemClock.now(),
            refund_id: Some(refund_id),
            total_refunded: Some(total),
            whole,
        });
    }

    /// The bank sends back everything that was given back.
    fn bounce(&self, order_id: Uuid, will_retry: bool) {
        let bounced = {
            let mut accounts = lock(&self.accounts);
            let Some(account) = accounts.get_mut(&order_id) else { return };
            account.status = PaymentStatus::Settled;
            let bounced = std::mem::take(&mut account.refunds);
            account.bounced.clone_from(&bounced);
            bounced
        };
        for (refund_id, cents) in bounced {
            self.refuse(order_id, refund_id, cents, will_retry);
        }
    }

    fn refuse(&self, order_id: Uuid, refund_id: Uuid, cents: i64, will_retry: bool) {
        let Some(total) = lock(&self.accounts).get(&order_id).map(Account::given) else { return };
        self.told.tell(&PaymentEvent::RefundFailed {
            order_id,
            payment_id: payment_id(order_id),
            refund_id,
            amount: Money::new(cents, Currency::EUR),
            reason: "the account is closed".to_owned(),
            will_retry,
            requested_refund_id: Some(refund_id),
            total_refunded: Some(total),
        });
    }

    /// What the bank has sent back is given back once more.
    fn repeat(&self, order_id: Uuid) {
        let bounced = lock(&self.accounts).get(&order_id).map(|it| it.bounced.clone());
        for (requested, cents) in bounced.into_iter().flatten() {
            self.give(order_id, Uuid::from_u128(requested.as_u128() + 1), requested, cents);
        }
    }
}

struct FakePayments {
    moods: Arc<Moods>,
    till: Arc<Till>,
}

fn payment_id(order_id: Uuid) -> Uuid {
    Uuid::from_u128(!order_id.as_u128())
}

fn shown(order_id: Uuid, account: &Account, refund: Option<RefundLine>) -> Payment {
    let payment_id = payment_id(order_id);
    Payment { payment_id, status: account.status, received: None, refunded: None, refund }
}

impl FakePayments {
    /// In which mood the call finds it, unless it breaks before.
    async fn begin(&self, method: &'static str) -> Result<String, PaymentError> {
        let mood = self.moods.take(method).await;
        if mood == BREAK_BEFORE { Err(broken("payments", method).into()) } else { Ok(mood) }
    }
}

#[async_trait]
impl Payments for FakePayments {
    async fn open(&self, _cx: &Context, request: OpenPayment) -> Result<Payment, PaymentError> {
        let mood = self.begin("open").await?;
        let order_id = request.order_id;
        let mut accounts = lock(&self.till.accounts);
        let account = accounts.entry(order_id).or_insert_with(|| Account::opened(request.amount));
        if account.status == PaymentStatus::Closed {
            return Err(PaymentError::Closed { order_id });
        }
        unless(mood == BREAK_AFTER, "payments", "open", shown(order_id, account, None))
    }

    async fn close(&self, _cx: &Context, request: ClosePayment) -> Result<Payment, PaymentError> {
        let mood = self.begin("close").await?;
        let (order_id, nothing) = (request.order_id, Money::new(0, Currency::EUR));
        let mut accounts = lock(&self.till.accounts);
        let account = accounts
            .entry(order_id)
            .or_insert_with(|| Account { status: PaymentStatus::Open, ..Account::opened(nothing) });
        if account.status == PaymentStatus::Open {
            account.status = PaymentStatus::Closed;
        }
        unless(mood == BREAK_AFTER, "payments", "close", shown(order_id, account, None))
    }

    async fn refund(&self, _cx: &Context, request: RefundOrder) -> Result<Payment, PaymentError> {
        let mood = self.begin("refund").await?;
        let order_id = request.order_id;
        if mood == "refused" {
            let left = self.till.books(order_id).map_or(0, |(_, left)| left);
            self.till.refuse(order_id, payment_id(order_id), left, false);
            let accounts = lock(&self.till.accounts);
            let account = accounts.get(&order_id).ok_or(PaymentError::Unknown { order_id })?;
            return Ok(shown(order_id, account, None));
        }
        let mut accounts = lock(&self.till.accounts);
        let account = accounts.get_mut(&order_id).ok_or(PaymentError::Unknown { order_id })?;
        let left = account.left();
        let known = request.refund_id.and_then(|id| Some((id, *account.refunds.get(&id)?)));
        let bounced = request.refund_id.filter(|id| account.bounced.contains_key(id));
        let mut refund = match (request.refund_id, request.amount) {
            _ if bounced.is_some() => return Ok(shown(order_id, account, None)),
            (Some(refund_id), Some(amount)) => match known {
                Some((_, begun)) if begun != amount.amount => {
                    return Err(PaymentError::RefundDiffers { refund_id });
                }
                None if amount.amount > left => {
                    let left = Money::new(left, amount.currency);
                    return Err(PaymentError::RefundExceeds { order_id, left });
                }
                _ => account.refund(refund_id, amount.amount),
            },
            _ => match known {
                Some((refund_id, begun)) => account.refund(refund_id, begun),
                None => account.refund(payment_id(order_id), left),
            },
        };
        if mood == "in transit" {
            refund.state = RefundState::InTransit;
        }
        unless(mood == BREAK_AFTER, "payments", "refund", shown(order_id, account, Some(refund)))
    }

    async fn find(
        &self,
        _cx: &Context,
        request: FindPayment,
    ) -> Result<PaymentBooks, PaymentError> {
        let _mood = self.begin("find").await?;
        let order_id = request.order_id;
        let accounts = lock(&self.till.accounts);
        let account = accounts.get(&order_id).ok_or(PaymentError::Unknown { order_id })?;
        let money = |amount| Money::new(amount, account.amount.currency);
        Ok(PaymentBooks {
            payment_id: payment_id(order_id),
            order_id,
            status: account.status,
            due: account.amount,
            charged: money(account.received),
            refunded: money(account.received - account.left()),
            attempts: Vec::new(),
            refunds: Vec::new(),
        })
    }
}
