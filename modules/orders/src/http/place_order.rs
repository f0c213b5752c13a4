//! `POST /v1/orders`: the beginning of a purchase.

use std::collections::BTreeSet;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use contracts::{
    catalog::{FindSaleTerms, SaleTerms},
    inventory::{FindHold, Places},
    money::Money,
    orders::OrderedItem,
};
use edge::{Answered, IdempotencyKey, Json, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::{Answer, ExecuteError, Loaded, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{
    code,
    domain::{Cause, Command, Order, Shortage, Terms},
    problems,
    saga::{Purchases, Reply},
    views::OrderResource,
};

/// How often a code is drawn anew when an order has it already.
const DRAWS: u32 = 3;

/// What to buy: either `items`, or the places of a hold of one's own.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "items": [{"ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004", "quantity": 2}],
}))]
pub(super) struct NewOrder {
    /// The event; it must be on sale.
    #[garde(skip)]
    event_id: Uuid,
    /// What to buy, each ticket type once. Left out with `hold_id`.
    #[garde(length(max = 20), dive)]
    #[schema(max_items = 20)]
    #[serde(default)]
    items: Vec<NewOrderItem>,
    /// A hold from `POST /v1/holds` whose places are bought.
    #[garde(skip)]
    #[serde(default)]
    hold_id: Option<Uuid>,
}

/// So many tickets of one type.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrderItem {
    #[garde(skip)]
    ticket_type_id: Uuid,
    #[garde(range(min = 1, max = 20))]
    #[schema(minimum = 1, maximum = 20)]
    quantity: u32,
}

edge::problem_responses! {
    /// What placing an order may be refused with.
    pub(super) PlaceProblems:
        problems::SOLD_OUT,
        problems::NOT_ON_SALE,
        problems::HOLD_GONE,
        problems::ORDER_HAS_ENDED,
}

/// Place an order
///
/// Holds the places and answers with the order in the state `held`: pay it with `POST /v1/payments`
/// before `expires_at`. An order that costs nothing is fulfilled at once. Should a part of Boxoffice be
/// away, the order is `placed` and goes on by itself; read it until it is `held`.
#[utoipa::path(
    post,
    path = "/v1/orders",
    request_body = NewOrder,
    responses(
        (
            status = 201,
            description = "The order",
            body = OrderResource,
            headers(("location" = String), ("etag" = String)),
        ),
        PlaceProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn place_order(
    State(app): State<App>,
    cx: Context,
    key: IdempotencyKey,
    Json(new): Json<NewOrder>,
) -> Result<Response, Problem> {
    let buyer_id = edge::user(&cx)?;
    let id = key.id();
    let wanted = if new.hold_id.is_some() { on_hold(&new)? } else { distinct(&new.items)? };
    match app.orders.load(id).await? {
        Some(earlier) => is_wanted_again(&earlier.state, id, &new, &wanted)?,
        None => app.place(&cx, id, buyer_id, &new, wanted).await?,
    }

    let reply = Reply { key: (*key).clone(), render: answer };
    let (order, has_replied) = match app.advance(&cx, id, Some(&reply)).await {
        Ok(advanced) => (advanced.order, advanced.has_replied),
        Err(stuck) => {
            tracing::info!(order = %id, %stuck, "an order waits and will be tried again");
            (app.orders.load(id).await?.ok_or_else(Problem::not_found)?, false)
        }
    };
    if let Some(cause) = order.state.cause {
        return Err(refused(id, cause, order.state.shortage));
    }
    let answer = created(id, &order).ok_or_else(Problem::not_found)?;
    if has_replied { Ok(Answered(answer).into_response()) } else { Ok(edge::respond(answer)) }
}

/// The answer once the order waits for the buyer, or is done; none while it is under way, and none
/// when it was refused.
fn answer(id: Uuid, order: &Loaded<Order>) -> Option<Answer> {
    if order.state.next_step().is_some() || order.state.cause.is_some() {
        return None;
    }
    created(id, order)
}

fn created(id: Uuid, order: &Loaded<Order>) -> Option<Answer> {
    let resource = OrderResource::of(id, &order.state)?;
    Some(edge::created(format!("/v1/orders/{id}"), order.version, &resource))
}

fn refused(id: Uuid, cause: Cause, shortage: Option<Shortage>) -> Problem {
    let kind = problems::refusal(cause).unwrap_or(&problems::ORDER_HAS_ENDED);
    let problem = Problem::new(kind).with("order_id", id);
    let Some(Shortage { ticket_type_id, requested, left }) = shortage else { return problem };
    problem.with("ticket_type_id", ticket_type_id).with("requested", requested).with("left", left)
}

/// A request that comes again after a crash, or after its key was forgotten, finds its order. It is
/// not priced anew: the programme may have changed since.
fn is_wanted_again(
    order: &Order,
    id: Uuid,
    new: &NewOrder,
    wanted: &[Places],
) -> Result<(), Problem> {
    let is_same = order.terms.as_ref().is_some_and(|terms| {
        terms.event_id == new.event_id
            && terms.hold_id == new.hold_id.unwrap_or(id)
            && (new.hold_id.is_some() || terms.places() == wanted)
    });
    if is_same { Ok(()) } else { Err(Problem::new(&edge::problems::IDEMPOTENCY_KEY_REUSED)) }
}

impl Purchases {
    /// Places the order, on today's terms.
    async fn place(
        &self,
        cx: &Context,
        id: Uuid,
        buyer_id: Uuid,
        new: &NewOrder,
        mut wanted: Vec<Places>,
    ) -> Result<(), Problem> {
        let event_id = new.event_id;
        if let Some(hold_id) = new.hold_id {
            wanted = self.places_of_hold(cx, buyer_id, event_id, hold_id).await?;
        }
        let sale = self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await;
        let sale = sale.map_err(problems::from_catalog)?;
        if !sale.on_sale {
            return Err(Problem::new(&problems::NOT_ON_SALE));
        }
        let mut terms = priced(&sale, buyer_id, new.hold_id.unwrap_or(id), &wanted)?;
        for draws in 1.. {
            terms.order_code = code::draw(self.random.as_ref());
            let command = Command::Place { terms: terms.clone(), at: self.clock.now() };
            match self.orders.execute(cx, id, command).read(|_| ()).await {
                Ok(()) => break,
                Err(ExecuteError::Store(StoreError::Failed(reason))) if draws < DRAWS => {
                    tracing::warn!(order = %id, reason, "an order is placed again with another code");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn places_of_hold(
        &self,
        cx: &Context,
        buyer_id: Uuid,
        event_id: Uuid,
        hold_id: Uuid,
    ) -> Result<Vec<Places>, Problem> {
        let found = self.inventory.find_hold(cx, FindHold { event_id, hold_id }).await;
        let hold = found.map_err(problems::from_inventory)?;
        if hold.holder_id != buyer_id {
            return Err(problems::unknown_hold());
        }
        Ok(hold.items)
    }
}

/// What is bought is what is on hold: the request says nothing of it.
fn on_hold(new: &NewOrder) -> Result<Vec<Places>, Problem> {
    if new.items.is_empty() {
        return Ok(Vec::new());
    }
    Err(Problem::invalid_field("/items", "leave it out with hold_id, which says it"))
}

fn distinct(items: &[NewOrderItem]) -> Result<Vec<Places>, Problem> {
    if items.is_empty() {
        return Err(Problem::invalid_field(
            "/items",
            "name at least one ticket type, or a hold_id",
        ));
    }
    let mut named = BTreeSet::new();
    if let Some(at) = items.iter().position(|item| !named.insert(item.ticket_type_id)) {
        let pointer = format!("/items/{at}/ticket_type_id");
        return Err(Problem::invalid_field(pointer, "named before: name each ticket type once"));
    }
    let places = items
        .iter()
        .map(|item| Places::any(item.ticket_type_id, item.quantity));
    Ok(places.collect())
}

/// The terms of the purchase at today's prices; the code is yet to be drawn.
fn priced(
    sale: &SaleTerms,
    buyer_id: Uuid,
    hold_id: Uuid,
    wanted: &[Places],
) -> Result<Terms, Problem> {
    let mut items = Vec::with_capacity(wanted.len());
    let mut faults = Vec::new();
    for (at, Places { ticket_type_id, quantity, .. }) in wanted.iter().enumerate() {
        let offered =
            sale.ticket_types.iter().find(|offer| offer.ticket_type_id == *ticket_type_id);
        match offered {
            Some(offer) => items.push(OrderedItem {
                ticket_type_id: *ticket_type_id,
                name: offer.name.clone(),
                quantity: *quantity,
                unit_price: offer.price,
            }),
            None => faults.push(edge::FieldFault::new(
                edge::RequestPart::Body,
                format!("/items/{at}/ticket_type_id"),
                "the event has no such ticket type",
            )),
        }
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let total =
        total(&items).ok_or_else(|| Problem::invalid_field("/items", "the sum is too large"))?;
    Ok(Terms {
        order_code: String::new(),
        buyer_id,
        organizer_id: sale.organizer_id,
        event_id: sale.event_id,
        event_name: sale.event_name.clone(),
        starts_at: sale.starts_at,
        venue_name: sale.venue_name.clone(),
        time_zone: sale.time_zone.clone(),
        hold_id,
        items,
        total,
    })
}

fn total(items: &[OrderedItem]) -> Option<Money> {
    let currency = items.first()?.unit_price.currency;
    let lines: Result<Vec<Money>, _> =
        items.iter().map(|item| item.unit_price.times(item.quantity)).collect();
    Money::sum(currency, lines.ok()?).ok()
}
