//! `POST /v1/orders`: the beginning of a purchase.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use contracts::{
    catalog::FindSaleTerms,
    identity::{AdmitGuest, GuestAccess},
    inventory::{FindHold, Places},
    seating::Seat,
};
use edge::{Answered, Caller, IdempotencyKey, Json, Network, Problem};
use garde::Validate;
use runtime::{Context, Principal, Role, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Answer, Loaded, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{
    code,
    domain::{Access, Command, Guest, Order, Refusal},
    guests::{Admission, Wish},
    pricing::priced,
    problems::{self, fault},
    resource::OrderResource,
    saga::{Advanced, Purchases, Reply, Stuck},
};

/// How often a code is drawn anew when an order of the organizer has it already.
const DRAWS: u32 = 3;

/// What to buy: either `items`, or the places of a hold of one's own.
#[derive(Clone, Deserialize, Validate, ToSchema)]
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
    /// Who buys, when that is somebody without an account. Left out with an access token.
    #[garde(dive)]
    #[serde(default)]
    guest: Option<NewGuest>,
}

/// So many tickets of one type.
#[derive(Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrderItem {
    #[garde(skip)]
    ticket_type_id: Uuid,
    #[garde(range(min = 1, max = 20))]
    #[schema(minimum = 1, maximum = 20)]
    quantity: u32,
    /// The numbered seats, as many as `quantity`. Left out, the best that are free are chosen, where
    /// there are seats.
    #[garde(length(max = 20))]
    #[schema(max_items = 20)]
    #[serde(default)]
    seats: Vec<Seat>,
}

/// Somebody who buys without an account.
#[derive(Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.org", "name": "Ada Lovelace"}))]
pub(super) struct NewGuest {
    /// Where the tickets are sent.
    #[garde(length(bytes, max = 254), custom(edge::text::email))]
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// How the person wants to be called.
    #[garde(length(chars, min = 1, max = 100), custom(is_printable))]
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
}

edge::problem_responses! {
    /// What placing an order may be refused with.
    pub(super) PlaceProblems:
        problems::SOLD_OUT,
        problems::NOT_ON_SALE,
        problems::SALES_NOT_STARTED,
        problems::SALES_ENDED,
        problems::SEAT_TAKEN,
        problems::SEAT_UNKNOWN,
        problems::NOT_SEATED,
        problems::NOT_SELLABLE,
        problems::BELOW_MINIMUM,
        problems::ABOVE_MAXIMUM,
        problems::TOO_MANY_HOLDS,
        problems::HOLD_GONE,
        problems::ORDER_HAS_ENDED,
        problems::TOO_MANY_GUEST_ORDERS,
        edge::problems::ACCOUNT_NEEDED,
}

/// The order that was placed, with what opens it.
#[derive(Serialize, ToSchema)]
pub(super) struct PlacedOrder {
    #[serde(flatten)]
    order: OrderResource,
    /// Opens the order together with its code. Keep it as you keep a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Q4KXT7NHPW3CGDMA6RJEY9FQ4KXT")]
    secret: Option<String>,
    /// For guests: goes into `Authorization: Bearer …` to pay the order, read it and get its
    /// tickets. `POST /v1/orders/access` gives another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// When the access token stops being good.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_expires_at: Option<Timestamp>,
}

/// Place an order
///
/// Holds the places and answers with the order in the state `held`: pay it with `POST /v1/payments`
/// before `expires_at`. An order that costs nothing is fulfilled at once. Should a part of Boxoffice be
/// away, the order is `placed` and goes on by itself; read it until it is `held`.
///
/// Whoever has no account sends no access token but `guest`, and gets a token for this one order. Its
/// Idempotency-Key must be one that nobody guesses, such as a random UUID: whoever knows it and the
/// body gets the same answer. So many orders without an account and no more may be placed from one
/// network, and with one e-mail address for one event, before they are paid for.
#[utoipa::path(
    post,
    path = "/v1/orders",
    request_body = NewOrder,
    responses(
        (
            status = 201,
            description = "The order",
            body = PlacedOrder,
            headers(("location" = String), ("etag" = String)),
        ),
        PlaceProblems,
    ),
    security((), ("bearer" = [])),
)]
pub(super) async fn place_order(
    State(app): State<App>,
    cx: Context,
    caller: Option<Caller>,
    network: Network,
    key: IdempotencyKey,
    Json(new): Json<NewOrder>,
) -> Result<Response, Problem> {
    let id = key.id();
    let wanted = if new.hold_id.is_some() { on_hold(&new)? } else { distinct(&new.items)? };
    let Buyer { cx, id: buyer_id, guest, access } = app.buyer(&cx, id, caller, &new).await?;
    let admitted = access.clone();
    let render = move |id, order: &Loaded<Order>| answer(id, order, admitted.as_ref());
    let reply = Reply { key: (*key).clone(), render: Arc::new(render) };

    let driven = match app.orders.load(id).await? {
        Some(earlier) => {
            is_wanted_again(&earlier.state, id, &new, &wanted)?;
            app.advance(&cx, id, earlier, Some(&reply)).await
        }
        None => app.place(&cx, id, buyer_id, guest, network, &new, wanted, &reply).await?,
    };
    let (order, has_replied) = match driven {
        Ok(advanced) => (advanced.order, advanced.has_replied),
        Err(Stuck::Refused(refusal)) => return Err(problems::refusal(&refusal)),
        Err(Stuck::Rejected(rejection)) => return Err(rejection.into()),
        Err(Stuck::Store(error)) => return Err(error.into()),
        Err(stuck) => {
            tracing::info!(order = %id, %stuck, "an order waits and will be tried again");
            (app.orders.load(id).await?.ok_or_else(Problem::not_found)?, false)
        }
    };
    if let Some(cause) = order.state.cause {
        let Order { shortage, particulars, .. } = order.state;
        let refusal = Refusal { cause, shortage, particulars };
        return Err(problems::refusal(&refusal).with("order_id", id));
    }
    let answer = created(id, &order, access.as_ref()).ok_or_else(Problem::not_found)?;
    if has_replied { Ok(Answered(answer).into_response()) } else { Ok(edge::respond(answer)) }
}

/// The answer once the order waits for the buyer, or is done; none while it is under way, and none
/// when it was refused.
fn answer(id: Uuid, order: &Loaded<Order>, access: Option<&GuestAccess>) -> Option<Answer> {
    if order.state.next_step().is_some() || order.state.cause.is_some() {
        return None;
    }
    created(id, order, access)
}

fn created(id: Uuid, order: &Loaded<Order>, access: Option<&GuestAccess>) -> Option<Answer> {
    let placed = PlacedOrder {
        order: OrderResource::of(id, &order.state)?,
        secret: order.state.access.as_ref().map(|access| access.secret.clone()),
        access_token: access.map(|access| access.access_token.expose().to_owned()),
        access_token_expires_at: access.map(|access| access.expires_at),
    };
    Some(edge::created(format!("/v1/orders/{id}"), order.version, &placed))
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
        let ordered = terms.places();
        terms.event_id == new.event_id
            && terms.hold_id == new.hold_id.unwrap_or(id)
            && (new.hold_id.is_some() || is_what_was_wanted(&ordered, wanted))
    });
    if is_same { Ok(()) } else { Err(Problem::new(&edge::problems::IDEMPOTENCY_KEY_REUSED)) }
}

/// Seats count only where the buyer has named some.
fn is_what_was_wanted(ordered: &[Places], wanted: &[Places]) -> bool {
    ordered.len() == wanted.len()
        && ordered.iter().zip(wanted).all(|(ordered, wanted)| {
            ordered.ticket_type_id == wanted.ticket_type_id
                && ordered.quantity == wanted.quantity
                && (wanted.seats.is_empty() || ordered.seats == wanted.seats)
        })
}

/// Who buys.
struct Buyer {
    /// The request's, in the buyer's name.
    cx: Context,
    id: Uuid,
    guest: Option<Guest>,
    /// A guest's, who then is nobody else's guest: the order's id is the guest's.
    access: Option<GuestAccess>,
}

impl Purchases {
    async fn buyer(
        &self,
        cx: &Context,
        order_id: Uuid,
        caller: Option<Caller>,
        new: &NewOrder,
    ) -> Result<Buyer, Problem> {
        let Some(NewGuest { email, name }) = &new.guest else {
            let id = edge::user(cx)?;
            caller.map_or(Ok(()), |caller| caller.needs_account())?;
            return Ok(Buyer { cx: cx.clone(), id, guest: None, access: None });
        };
        if caller.is_some() {
            let detail = "leave it out: an access token was sent, whose account is the buyer";
            return Err(Problem::invalid_field("/guest", detail));
        }
        let admitted = self.identity.admit_guest(cx, AdmitGuest { guest_id: order_id }).await;
        let access = admitted.map_err(problems::from_identity)?;
        let principal = Principal::User { id: order_id, roles: vec![Role::Customer] };
        Ok(Buyer {
            cx: cx.with_principal(principal),
            id: order_id,
            guest: Some(Guest { email: email.to_lowercase(), name: name.trim().to_owned() }),
            access: Some(access),
        })
    }

    /// Places the order, on today's terms, and drives it on.
    #[expect(clippy::too_many_arguments, reason = "all of it makes the order")]
    async fn place(
        &self,
        cx: &Context,
        id: Uuid,
        buyer_id: Uuid,
        guest: Option<Guest>,
        network: Network,
        new: &NewOrder,
        mut wanted: Vec<Places>,
        reply: &Reply,
    ) -> Result<Result<Advanced, Stuck>, Problem> {
        let event_id = new.event_id;
        if let Some(hold_id) = new.hold_id {
            wanted = self.places_of_hold(cx, buyer_id, event_id, hold_id).await?;
        }
        let sale = self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await;
        let sale = sale.map_err(problems::from_catalog)?;
        let (hold_id, at) = (new.hold_id.unwrap_or(id), self.clock.now());
        let mut terms = priced(&sale, buyer_id, hold_id, &wanted, at)?;
        let admission = match &guest {
            Some(Guest { email, .. }) => {
                let email = email.clone();
                Some(self.admit(Wish { order_id: id, event_id, email, network }).await?)
            }
            None => None,
        };
        let access = Some(Access { secret: code::secret(self.random.as_ref()), guest });
        for draws in 1.. {
            terms.order_code = code::code(self.random.as_ref());
            let place = Command::Place { terms: terms.clone(), access: access.clone(), at };
            match self.begin(cx, id, place, reply).await {
                Err(Stuck::Store(StoreError::Failed(reason))) if draws < DRAWS => {
                    tracing::warn!(order = %id, reason, "an order is placed again with another code");
                }
                Err(refused @ (Stuck::Refused(_) | Stuck::Rejected(_))) => {
                    admission.iter().for_each(Admission::was_refused);
                    return Ok(Err(refused));
                }
                begun => return Ok(begun),
            }
        }
        Err(Problem::internal("codes were drawn for ever"))
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
    let (mut named, mut seats, mut faults) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (at, item) in items.iter().enumerate() {
        if !named.insert(item.ticket_type_id) {
            let detail = "named before: name each ticket type once";
            faults.push(fault(format!("/items/{at}/ticket_type_id"), detail));
        }
        let count = u32::try_from(item.seats.len()).unwrap_or(u32::MAX);
        if count != 0 && count != item.quantity {
            let detail = format!("{count} seats for {} tickets", item.quantity);
            faults.push(fault(format!("/items/{at}/seats"), detail));
        }
        for (index, seat) in item.seats.iter().enumerate() {
            if !seats.insert(seat) {
                let pointer = format!("/items/{at}/seats/{index}");
                faults.push(fault(pointer, "named before: name each seat once"));
            }
        }
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let places = items.iter().map(|item| Places {
        ticket_type_id: item.ticket_type_id,
        quantity: item.quantity,
        seats: item.seats.clone(),
    });
    Ok(places.collect())
}

/// A name that can be shown: something is in it, and nothing that a screen would obey.
fn is_printable<C>(name: &str, _context: &C) -> garde::Result {
    if name.trim().is_empty() {
        return Err(garde::Error::new("is blank"));
    }
    if name.chars().any(char::is_control) {
        return Err(garde::Error::new("holds a control character"));
    }
    Ok(())
}
