//! The services that orders works with, as small as they can be, in any mood. What they are to do
//! with their next calls, they are told over HTTP at `/v1/fakes/{service}/{method}`; what they were
//! asked, they tell there too.

mod feed;
mod payments;
mod tickets;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::routing::{get, post};
use bus::{Hub, Source};
use contracts::{
    catalog::{
        Catalog, CatalogError, CatalogEvent, FindMembership, FindSaleTerms, Membership, SaleTerms,
        TicketTypeTerms,
    },
    inventory::{
        ConfirmHold, FindHold, Hold, HoldPlaces, HoldState, Inventory, InventoryError, ReleaseHold,
        ReleasePlaces, Released,
    },
    money::{Money, Tax, TaxRounding},
    seating::Seat,
};
use edge::Path;
use iso_currency::Currency;
use jiff::SignedDuration;
use runtime::{
    Boot, BoxFuture, Clock, Context, Fault, IntegrationEvents, Module, Provided, Router,
    StartError, SystemClock, Unrecognised, async_trait,
};
use serde_json::json;
use uuid::Uuid;

use self::feed::Told;
pub(crate) use self::{payments::PAYMENTS, tickets::TICKETS};
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
        views: None,
        openapi: utoipa::openapi::OpenApi::default,
        start,
    }
}

// ---- catalog

pub(crate) static CATALOG: Module = module(
    "catalog",
    &["/v1/fakes/catalog", "/v1/fakes/cancel-event"],
    &[Provided::of::<dyn Catalog>()],
    CatalogEvent::NAMES,
    |boot| {
        Box::pin(async {
            let hub = boot.extension::<Hub>().ok_or_else(|| StartError::new("there is no hub"))?;
            let told: Arc<Told<CatalogEvent>> = Arc::default();
            hub.offer(CatalogEvent::PUBLISHER, Arc::clone(&told) as Arc<dyn Source>);
            let cancel = async move || {
                let reason = "The singer is ill.".to_owned();
                told.tell(&CatalogEvent::EventCancelled { event_id: EVENT, reason });
            };
            let moods = Arc::new(Moods::default());
            let routes = Router::new().route("/v1/fakes/cancel-event", post(cancel));
            boot.public(moods.routes("catalog").merge(routes));
            boot.provide::<dyn Catalog>(Arc::new(FakeCatalog { moods }));
            Ok(())
        })
    },
);

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
        let mut offers = vec![offer(SEAT, "Stalls", 2500), offer(FREE_SEAT, "Children", 0)];
        let now = SystemClock.now();
        for offer in &mut offers {
            match mood.as_str() {
                "not yet" => offer.sales_from = Some(now + SignedDuration::from_hours(9000)),
                "no more" => offer.sales_until = Some(now - SignedDuration::from_hours(1)),
                "pairs only" => (offer.min_per_order, offer.max_per_order) = (2, 2),
                "taxed" => {
                    offer.tax = Tax { rate_basis_points: 700, name: "VAT".to_owned() };
                }
                _ => {}
            }
        }
        Ok(SaleTerms {
            event_id,
            organizer_id: ORGANIZER,
            event_name: "Quartet by the river".to_owned(),
            starts_at: SystemClock.now(),
            time_zone: "Europe/Berlin".to_owned(),
            venue_name: "Boathouse".to_owned(),
            on_sale: mood != "closed",
            tax_rounding: TaxRounding::PerLine,
            ticket_types: offers,
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
            let (clock, released) = (boot.clock(), Mutex::default());
            boot.provide::<dyn Inventory>(Arc::new(FakeInventory {
                moods,
                holds,
                released,
                clock,
            }));
            Ok(())
        })
    },
);

/// Holds without end, except in the mood `sold out`.
struct FakeInventory {
    moods: Arc<Moods>,
    holds: Arc<Mutex<HashMap<Uuid, Hold>>>,
    /// Releases that were done.
    released: Mutex<HashSet<Uuid>>,
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
            "seat taken" => Err(InventoryError::SeatTaken { seats: vec![seat("12")] }),
            "no seats" => Err(InventoryError::NotSeated { ticket_type_id: SEAT }),
            "unrecognised" => {
                let answer = json!({"code": "haunted"});
                Err(InventoryError::Unrecognised(Unrecognised(answer)))
            }
            "too many holds" => Err(InventoryError::TooManyHolds { open: 5, most: 5 }),
            _ => Ok(mood == BREAK_AFTER),
        }
    }
}

/// A seat in the first row of the stalls.
pub(crate) fn seat(number: &str) -> Seat {
    let (section, row) = ("Stalls".to_owned(), "A".to_owned());
    Seat { section, row, number: number.to_owned() }
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
        let is_first = lock(&self.released).insert(request.release_id);
        if is_first && let Some(hold) = lock(&self.holds).get_mut(&request.hold_id) {
            // The hold shows what is left.
            for free in &request.items {
                let of_type =
                    hold.items.iter_mut().find(|it| it.ticket_type_id == free.ticket_type_id);
                let held = of_type.ok_or(InventoryError::HoldUnknown { hold_id: hold.hold_id })?;
                held.quantity -= free.quantity;
                held.seats.retain(|seat| !free.seats.contains(seat));
            }
        }
        unless(breaks, "inventory", "release_places", Released { hold_id: request.hold_id })
    }
}
