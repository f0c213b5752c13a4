//! The services that orders works with, as small as they can be, in any mood. What they are to do
//! with their next calls, they are told over HTTP at `/v1/fakes/{service}/{method}`; what they were
//! asked, they tell there too.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::routing::{get, post};
use bus::{Entry, Envelope, Hub, Page, Query, Source, SourceError};
use contracts::{
    catalog::{
        Catalog, CatalogError, FindMembership, FindSaleTerms, Membership, SaleTerms,
        TicketTypeTerms,
    },
    inventory::{
        ConfirmHold, FindHold, Hold, HoldPlaces, HoldState, Inventory, InventoryError, ReleaseHold,
        ReleasePlaces, Released,
    },
    money::{Money, Tax, TaxRounding},
    payments::{
        ClosePayment, FindPayment, OpenPayment, Payment, PaymentBooks, PaymentError, PaymentEvent,
        PaymentStatus, Payments, RefundOrder,
    },
    tickets::{IssueTickets, IssuedTickets, TicketError, Tickets, VoidTickets, VoidedTickets},
};
use edge::Path;
use iso_currency::Currency;
use jiff::SignedDuration;
use runtime::{
    Boot, BoxFuture, Clock, Context, Fault, IntegrationEvents, Module, Provided, Router,
    StartError, SystemClock, async_trait,
};
use serde_json::json;
use store::Position;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::house::{ANNA, EVENT, FREE_SEAT, ORGANIZER, SEAT};

/// What a service does with its next call of a method, instead of doing it well.
const BREAK_BEFORE: &str = "break before";
/// It does it, and nobody learns of that.
const BREAK_AFTER: &str = "break after";
const HANG: &str = "hang";

/// The moods of one service, and what it was asked.
#[derive(Default)]
struct Moods {
    next: Mutex<HashMap<String, VecDeque<String>>>,
    asked: Mutex<Vec<String>>,
}

impl Moods {
    /// Takes note of a call, and yields the mood for it.
    async fn take(&self, method: &str) -> String {
        lock(&self.asked).push(method.to_owned());
        let mood = lock(&self.next).get_mut(method).and_then(VecDeque::pop_front);
        if mood.as_deref() == Some(HANG) {
            std::future::pending::<()>().await;
        }
        mood.unwrap_or_default()
    }

    fn routes(self: &Arc<Self>, service: &str) -> Router {
        let (told, asked) = (Arc::clone(self), Arc::clone(self));
        let tell = async move |Path(method): Path<String>,
                               axum::Json(moods): axum::Json<VecDeque<String>>| {
            lock(&told.next).insert(method, moods);
        };
        let show = async move || axum::Json(lock(&asked.asked).clone());
        Router::new()
            .route(&format!("/v1/fakes/{service}/{{method}}"), post(tell))
            .route(&format!("/v1/fakes/{service}"), get(show))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken(service: &'static str, method: &'static str) -> Fault {
    Fault::Failed { service, method, reason: "a test wants it so".to_owned() }
}

const fn module(
    name: &'static str,
    prefixes: &'static [&'static str],
    provides: &'static [Provided],
    publishes: &'static [&'static str],
    start: for<'a> fn(&'a mut Boot) -> BoxFuture<'a, Result<(), StartError>>,
) -> Module {
    Module {
        name,
        about: "pretends",
        prefixes,
        provides,
        requires: &[],
        publishes,
        consumes: &[],
        settings: None,
        schema: None,
        openapi: utoipa::openapi::OpenApi::default,
        start,
    }
}

// ---- catalog

pub(crate) static CATALOG: Module =
    module("catalog", &["/v1/fakes/catalog"], &[Provided::of::<dyn Catalog>()], &[], |boot| {
        Box::pin(async {
            let moods = Arc::new(Moods::default());
            boot.public(moods.routes("catalog"));
            boot.provide::<dyn Catalog>(Arc::new(FakeCatalog { moods }));
            Ok(())
        })
    });

/// Knows one event of one organizer, whose only member is Anna.
struct FakeCatalog {
    moods: Arc<Moods>,
}

#[async_trait]
impl Catalog for FakeCatalog {
    async fn sale_terms(
        &self,
        _cx: &Context,
        FindSaleTerms { event_id }: FindSaleTerms,
    ) -> Result<SaleTerms, CatalogError> {
        let mood = self.moods.take("sale_terms").await;
        if mood == BREAK_BEFORE {
            return Err(broken("catalog", "sale_terms").into());
        }
        if event_id != EVENT {
            return Err(CatalogError::EventUnknown { event_id });
        }
        let offer = |ticket_type_id, name: &str, amount| TicketTypeTerms {
            ticket_type_id,
            name: name.to_owned(),
            price: Money::new(amount, Currency::EUR),
            tax: Tax::default(),
            sales_from: None,
            sales_until: None,
            min_per_order: 0,
            max_per_order: 0,
            seated: false,
            on_sale: true,
        };
        Ok(SaleTerms {
            event_id,
            organizer_id: ORGANIZER,
            event_name: "Quartet by the river".to_owned(),
            starts_at: SystemClock.now(),
            time_zone: "Europe/Berlin".to_owned(),
            venue_name: "Boathouse".to_owned(),
            on_sale: mood != "closed",
            tax_rounding: TaxRounding::PerLine,
            ticket_types: vec![offer(SEAT, "Stalls", 2500), offer(FREE_SEAT, "Children", 0)],
        })
    }

    async fn membership(
        &self,
        _cx: &Context,
        request: FindMembership,
    ) -> Result<Membership, CatalogError> {
        let is_member = request.organizer_id == ORGANIZER && request.user_id == ANNA;
        Ok(Membership { is_member })
    }
}

// ---- inventory

pub(crate) static INVENTORY: Module = module(
    "inventory",
    &["/v1/fakes/inventory", "/v1/fakes/holds"],
    &[Provided::of::<dyn Inventory>()],
    &[],
    |boot| {
        Box::pin(async {
            let moods = Arc::new(Moods::default());
            let holds: Arc<Mutex<HashMap<Uuid, Hold>>> = Arc::default();
            let (made, shown) = (Arc::clone(&holds), Arc::clone(&holds));
            let make = async move |axum::Json(hold): axum::Json<Hold>| {
                lock(&made).insert(hold.hold_id, hold);
            };
            let show = async move |Path(id): Path<Uuid>| axum::Json(lock(&shown).get(&id).cloned());
            let routes = Router::new()
                .route("/v1/fakes/holds", post(make))
                .route("/v1/fakes/holds/{id}", get(show));
            boot.public(moods.routes("inventory").merge(routes));
            let clock = boot.clock();
            boot.provide::<dyn Inventory>(Arc::new(FakeInventory { moods, holds, clock }));
            Ok(())
        })
    },
);

/// Holds without end, except in the mood `sold out`.
struct FakeInventory {
    moods: Arc<Moods>,
    holds: Arc<Mutex<HashMap<Uuid, Hold>>>,
    clock: Arc<dyn Clock>,
}

impl FakeInventory {
    async fn begin(&self, method: &'static str) -> Result<bool, InventoryError> {
        let mood = self.moods.take(method).await;
        match mood.as_str() {
            BREAK_BEFORE => Err(broken("inventory", method).into()),
            "sold out" => {
                Err(InventoryError::SoldOut { ticket_type_id: SEAT, requested: 2, left: 1 })
            }
            "not on sale" => Err(InventoryError::NotOnSale { event_id: EVENT }),
            _ => Ok(mood == BREAK_AFTER),
        }
    }
}

fn unless<T, E: From<Fault>>(
    breaks: bool,
    service: &'static str,
    method: &'static str,
    done: T,
) -> Result<T, E> {
    if breaks { Err(broken(service, method).into()) } else { Ok(done) }
}

#[async_trait]
impl Inventory for FakeInventory {
    async fn hold(&self, _cx: &Context, request: HoldPlaces) -> Result<Hold, InventoryError> {
        let breaks = self.begin("hold").await?;
        let hold_id = request.hold_id;
        let expires_at = self.clock.now() + SignedDuration::from_mins(15);
        let mut holds = lock(&self.holds);
        let hold = holds.entry(hold_id).or_insert_with(|| Hold {
            hold_id,
            event_id: request.event_id,
            holder_id: request.holder_id,
            order_id: request.order_id,
            items: request.items.clone(),
            state: HoldState::Held,
            expires_at,
        });
        let is_taken = hold.order_id.is_some() && hold.order_id != request.order_id;
        if is_taken || hold.holder_id != request.holder_id {
            return Err(InventoryError::HoldDiffers { hold_id });
        }
        if hold.state == HoldState::Released {
            return Err(InventoryError::HoldReleased { hold_id });
        }
        if hold.state == HoldState::Expired {
            (hold.state, hold.expires_at) = (HoldState::Held, expires_at);
        }
        hold.order_id = request.order_id;
        unless(breaks, "inventory", "hold", hold.clone())
    }

    async fn find_hold(&self, _cx: &Context, request: FindHold) -> Result<Hold, InventoryError> {
        let breaks = self.begin("find_hold").await?;
        let hold_id = request.hold_id;
        let found = lock(&self.holds).get(&hold_id).cloned();
        let found = found.ok_or(InventoryError::HoldUnknown { hold_id })?;
        unless(breaks, "inventory", "find_hold", found)
    }

    async fn confirm(&self, _cx: &Context, request: ConfirmHold) -> Result<Hold, InventoryError> {
        let breaks = self.begin("confirm").await?;
        let hold_id = request.hold_id;
        let mut holds = lock(&self.holds);
        let hold = holds.get_mut(&hold_id).ok_or(InventoryError::HoldUnknown { hold_id })?;
        if hold.state == HoldState::Released {
            return Err(InventoryError::HoldReleased { hold_id });
        }
        hold.state = HoldState::Confirmed;
        unless(breaks, "inventory", "confirm", hold.clone())
    }

    async fn release(
        &self,
        _cx: &Context,
        request: ReleaseHold,
    ) -> Result<Released, InventoryError> {
        let breaks = self.begin("release").await?;
        let hold_id = request.hold_id;
        if let Some(hold) = lock(&self.holds).get_mut(&hold_id) {
            hold.state = HoldState::Released;
        }
        unless(breaks, "inventory", "release", Released { hold_id })
    }

    async fn release_places(
        &self,
        _cx: &Context,
        request: ReleasePlaces,
    ) -> Result<Released, InventoryError> {
        let breaks = self.begin("release_places").await?;
        unless(breaks, "inventory", "release_places", Released { hold_id: request.hold_id })
    }
}

// ---- payments

pub(crate) static PAYMENTS: Module = module(
    "payments",
    &["/v1/fakes/payments", "/v1/fakes/pay", "/v1/fakes/money"],
    &[Provided::of::<dyn Payments>()],
    PaymentEvent::NAMES,
    |boot| {
        Box::pin(async {
            let hub = boot.extension::<Hub>().ok_or_else(|| StartError::new("there is no hub"))?;
            let till = Arc::new(Till::default());
            hub.offer(PaymentEvent::PUBLISHER, Arc::clone(&till) as Arc<dyn Source>);
            let (paid, shown) = (Arc::clone(&till), Arc::clone(&till));
            let pay = async move |Path(order_id): Path<Uuid>| paid.settle(order_id);
            let show = async move |Path(id): Path<Uuid>| axum::Json(json!(shown.status(id)));
            let moods = Arc::new(Moods::default());
            let routes = Router::new()
                .route("/v1/fakes/pay/{order_id}", post(pay))
                .route("/v1/fakes/money/{order_id}", get(show));
            boot.public(moods.routes("payments").merge(routes));
            boot.provide::<dyn Payments>(Arc::new(FakePayments { moods, till }));
            Ok(())
        })
    },
);

/// The money of all orders, and everything that was told of it.
#[derive(Default)]
struct Till {
    payments: Mutex<HashMap<Uuid, (PaymentStatus, Money)>>,
    told: Mutex<Vec<Entry>>,
    news: Notify,
}

impl Till {
    fn status(&self, order_id: Uuid) -> Option<PaymentStatus> {
        lock(&self.payments).get(&order_id).map(|(status, _)| *status)
    }

    /// The buyer's money arrives, be it welcome or not.
    fn settle(&self, order_id: Uuid) {
        let amount = match lock(&self.payments).get_mut(&order_id) {
            Some((status, amount)) => {
                *status = PaymentStatus::Settled;
                *amount
            }
            None => return,
        };
        self.tell(&PaymentEvent::PaymentSettled {
            order_id,
            payment_id: payment_id(order_id),
            amount,
            settled_at: SystemClock.now(),
        });
    }

    fn tell(&self, event: &PaymentEvent) {
        let mut told = lock(&self.told);
        let number = told.len() + 1;
        let payload = json!(event);
        let tag = payload["type"].as_str().unwrap_or_default();
        let envelope = Envelope {
            id: Uuid::from_u128(number as u128),
            event_type: format!("{}.{tag}", PaymentEvent::PUBLISHER),
            schema_version: 1,
            key: event.key(),
            time: SystemClock.now(),
            correlation_id: "a test".to_owned(),
            causation_id: None,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            payload,
            fault: None,
        };
        let seq = i64::try_from(number).unwrap_or(i64::MAX);
        told.push(Entry { position: Position { seq, ..Position::START }, envelope });
        self.news.notify_waiters();
    }

    fn after(&self, position: Position) -> Vec<Entry> {
        let told = lock(&self.told);
        told.iter().filter(|entry| entry.position > position).cloned().collect()
    }
}

#[async_trait]
impl Source for Till {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let mut news = std::pin::pin!(self.news.notified());
        news.as_mut().enable();
        let mut entries = self.after(query.after);
        if entries.is_empty() {
            let _told = tokio::time::timeout(query.wait, news).await;
            entries = self.after(query.after);
        }
        let reached = entries.last().map_or(query.after, |entry| entry.position);
        Ok(Page { entries, reached, behind: 0 })
    }
}

struct FakePayments {
    moods: Arc<Moods>,
    till: Arc<Till>,
}

fn payment_id(order_id: Uuid) -> Uuid {
    Uuid::from_u128(!order_id.as_u128())
}

impl FakePayments {
    /// Whether it breaks after doing it.
    async fn begin(&self, method: &'static str) -> Result<bool, PaymentError> {
        let mood = self.moods.take(method).await;
        if mood == BREAK_BEFORE {
            return Err(broken("payments", method).into());
        }
        Ok(mood == BREAK_AFTER)
    }

    /// Turns the payment by `change`.
    fn turn(
        &self,
        order_id: Uuid,
        first: PaymentStatus,
        amount: Money,
        change: impl FnOnce(PaymentStatus) -> PaymentStatus,
    ) -> Payment {
        let mut payments = lock(&self.till.payments);
        let (status, _) = payments.entry(order_id).or_insert((first, amount));
        *status = change(*status);
        Payment {
            payment_id: payment_id(order_id),
            status: *status,
            received: None,
            refunded: None,
            refund: None,
        }
    }
}

#[async_trait]
impl Payments for FakePayments {
    async fn open(&self, _cx: &Context, request: OpenPayment) -> Result<Payment, PaymentError> {
        let breaks = self.begin("open").await?;
        let (order_id, amount) = (request.order_id, request.amount);
        let first = if amount.amount == 0 { PaymentStatus::Settled } else { PaymentStatus::Open };
        let payment = self.turn(order_id, first, amount, |status| status);
        if payment.status == PaymentStatus::Closed {
            return Err(PaymentError::Closed { order_id });
        }
        unless(breaks, "payments", "open", payment)
    }

    async fn close(&self, _cx: &Context, request: ClosePayment) -> Result<Payment, PaymentError> {
        let breaks = self.begin("close").await?;
        let nothing = Money::new(0, Currency::EUR);
        let payment =
            self.turn(request.order_id, PaymentStatus::Closed, nothing, |status| match status {
                PaymentStatus::Open => PaymentStatus::Closed,
                other => other,
            });
        unless(breaks, "payments", "close", payment)
    }

    async fn refund(&self, _cx: &Context, request: RefundOrder) -> Result<Payment, PaymentError> {
        let breaks = self.begin("refund").await?;
        let nothing = Money::new(0, Currency::EUR);
        let payment =
            self.turn(request.order_id, PaymentStatus::Closed, nothing, |status| match status {
                PaymentStatus::Settled => PaymentStatus::Refunded,
                other => other,
            });
        unless(breaks, "payments", "refund", payment)
    }

    async fn find(
        &self,
        _cx: &Context,
        request: FindPayment,
    ) -> Result<PaymentBooks, PaymentError> {
        Err(PaymentError::Unknown { order_id: request.order_id })
    }
}

// ---- tickets

pub(crate) static TICKETS: Module = module(
    "tickets",
    &["/v1/fakes/tickets", "/v1/fakes/issued"],
    &[Provided::of::<dyn Tickets>()],
    &[],
    |boot| {
        Box::pin(async {
            let moods = Arc::new(Moods::default());
            let issued: Arc<Mutex<HashMap<Uuid, Issued>>> = Arc::default();
            let shown = Arc::clone(&issued);
            let show = async move |Path(id): Path<Uuid>| {
                let valid = match lock(&shown).get(&id) {
                    Some(Issued { ids, is_void: false }) => ids.len(),
                    _ => 0,
                };
                axum::Json(valid)
            };
            let routes = Router::new().route("/v1/fakes/issued/{order_id}", get(show));
            boot.public(moods.routes("tickets").merge(routes));
            boot.provide::<dyn Tickets>(Arc::new(FakeTickets { moods, issued }));
            Ok(())
        })
    },
);

#[derive(Default)]
struct Issued {
    ids: Vec<Uuid>,
    is_void: bool,
}

struct FakeTickets {
    moods: Arc<Moods>,
    issued: Arc<Mutex<HashMap<Uuid, Issued>>>,
}

impl FakeTickets {
    async fn begin(&self, method: &'static str) -> Result<bool, TicketError> {
        let mood = self.moods.take(method).await;
        if mood == BREAK_BEFORE {
            return Err(broken("tickets", method).into());
        }
        Ok(mood == BREAK_AFTER)
    }
}

#[async_trait]
impl Tickets for FakeTickets {
    async fn issue(
        &self,
        _cx: &Context,
        request: IssueTickets,
    ) -> Result<IssuedTickets, TicketError> {
        let breaks = self.begin("issue").await?;
        let order_id = request.order_id;
        let mut issued = lock(&self.issued);
        let Issued { ids, is_void } = issued.entry(order_id).or_default();
        if *is_void {
            return Err(TicketError::Voided { order_id });
        }
        if ids.is_empty() {
            ids.extend((1..=request.positions.len() as u128).map(Uuid::from_u128));
        }
        unless(breaks, "tickets", "issue", IssuedTickets { ticket_ids: ids.clone() })
    }

    async fn void(
        &self,
        _cx: &Context,
        request: VoidTickets,
    ) -> Result<VoidedTickets, TicketError> {
        let breaks = self.begin("void").await?;
        let mut issued = lock(&self.issued);
        let issued = issued.entry(request.order_id).or_default();
        issued.is_void = true;
        unless(breaks, "tickets", "void", VoidedTickets { ticket_ids: issued.ids.clone() })
    }
}
