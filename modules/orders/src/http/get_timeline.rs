//! `GET /v1/orders/{order_id}/timeline`: what happened to an order, for people.

use axum::extract::State;
use contracts::money::Money;
use edge::{Json, Path, Problem};
use runtime::{Context, Timestamp};
use serde::Serialize;
use store::{Aggregate, Recorded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, Part};
use crate::domain::{Cause, Event, Order};

/// What happened to an order, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"entries": [
    {"at": "2027-05-02T10:00:00Z", "what": "placed", "by": "buyer"},
    {
        "at": "2027-05-02T10:20:00Z",
        "what": "payment received too late",
        "amount": {"amount": 2500, "currency": "EUR"},
        "note": "the places were no longer held: they are sold if they are still free, else the \
                 money goes back",
        "by": "boxoffice",
    },
]}))]
pub(super) struct Timeline {
    entries: Vec<TimelineEntry>,
}

/// One thing that happened.
#[derive(Debug, Default, Serialize, ToSchema)]
struct TimelineEntry {
    at: Timestamp,
    what: &'static str,
    /// Why, when the order was refused or called off.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    /// The same in the words of whoever called it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How much money moved, or is to move.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
    /// Which positions it is about; all when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    positions: Vec<u32>,
    /// What it means, where that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    /// Who did it. For the organizer's members `user:<id>` or `service:<name>`; for the buyer `buyer`,
    /// `organizer` or `boxoffice`.
    by: String,
}

/// Read what happened to an order
///
/// For its buyer and its organizer: every step of the purchase, and of its undoing. Money that came
/// too late is told as such, and what became of it.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}/timeline",
    params(("order_id" = Uuid, Path)),
    responses((status = 200, description = "Oldest first", body = Timeline)),
    security(("bearer" = [])),
)]
pub(super) async fn get_timeline(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<Json<Timeline>, Problem> {
    let (order, part) = app.visible_order(&cx, id).await?;
    let buyer_id = order.state.terms.map(|terms| terms.buyer_id).unwrap_or_default();
    let mut so_far = Order::default();
    let mut entries = Vec::new();
    for recorded in app.orders.history(id).await? {
        let by = by(&recorded, part, buyer_id);
        let at = recorded.event.at();
        if !recorded.event.is_bookkeeping() {
            entries.push(TimelineEntry { at, by, ..told(&so_far, &recorded.event) });
        }
        so_far.evolve(&recorded.event);
    }
    Ok(Json(Timeline { entries }))
}

/// Buyers are not told who works for the organizer.
fn by(recorded: &Recorded<Event>, part: Part, buyer_id: Uuid) -> String {
    let actor = recorded.actor.as_str();
    if part == Part::Organizer {
        return actor.to_owned();
    }
    let who = if actor == format!("user:{buyer_id}") {
        "buyer"
    } else if actor.starts_with("user:") {
        "organizer"
    } else {
        "boxoffice"
    };
    who.to_owned()
}

/// The event in words, given the order that it happened to.
fn told(before: &Order, event: &Event) -> TimelineEntry {
    let plain = |what| TimelineEntry { what, ..TimelineEntry::default() };
    let paid_late = before.is_past_its_time();
    match event {
        Event::Placed { .. } => plain("placed"),
        Event::PlacesHeld { .. } => plain("places held"),
        Event::PaymentOpened { .. } => plain("waiting for payment"),
        Event::PaymentReceived { amount, .. } if paid_late => TimelineEntry {
            amount: Some(*amount),
            note: Some(
                "the places were no longer held: they are sold if they are still free, else the \
                 money goes back",
            ),
            ..plain("payment received too late")
        },
        Event::StrayPaymentReceived { amount, .. } | Event::PaymentReceived { amount, .. } => {
            TimelineEntry { amount: Some(*amount), ..plain("payment received") }
        }
        Event::PlacesConfirmed { .. } => plain("places sold"),
        Event::TicketsIssued { .. } => plain("tickets issued"),
        Event::Refused { cause, .. } => TimelineEntry { cause: Some(*cause), ..plain("refused") },
        Event::CalledOff { cause: Cause::PaidTooLate, money, .. } => TimelineEntry {
            cause: Some(Cause::PaidTooLate),
            amount: *money,
            note: Some("the places had gone to others: all of the money goes back"),
            ..plain("called off")
        },
        Event::CalledOff { cause, reason, money, .. } => TimelineEntry {
            cause: Some(*cause),
            reason: Some(reason.clone()).filter(|reason| !reason.is_empty()),
            amount: *money,
            ..plain("called off")
        },
        Event::PaymentClosed { .. } => plain("payment closed"),
        Event::TicketsVoided { .. } => plain("tickets voided"),
        Event::MoneyReturned { amount, .. } => {
            TimelineEntry { amount: *amount, ..plain("money returned") }
        }
        Event::PlacesReleased { .. } => plain("places released"),
        Event::Ended { .. } => plain("ended"),
        _ => told_of_return(before, event),
    }
}

/// What happened to positions that were cancelled, and to money beside.
fn told_of_return(before: &Order, event: &Event) -> TimelineEntry {
    let of = |what, return_id: &Uuid| TimelineEntry {
        what,
        positions: before.positions_returned(*return_id),
        ..TimelineEntry::default()
    };
    match event {
        Event::PositionsCancelled { positions, amount, reason, .. } => TimelineEntry {
            what: "positions cancelled",
            positions: positions.clone(),
            amount: Some(*amount),
            reason: Some(reason.clone()),
            ..TimelineEntry::default()
        },
        Event::PositionTicketsVoided { return_id, .. } => of("tickets voided", return_id),
        Event::PositionPlacesReleased { return_id, .. } => of("places released", return_id),
        Event::PositionsRefunded { return_id, amount, .. } => {
            TimelineEntry { amount: Some(*amount), ..of("money returned", return_id) }
        }
        Event::MoneyGivenBack { amount, .. } => TimelineEntry {
            what: "money returned",
            amount: Some(*amount),
            note: Some("given back by the organizer; the order keeps its tickets"),
            ..TimelineEntry::default()
        },
        Event::RefundRefused { refund_id, requested, will_retry, .. } => TimelineEntry {
            note: Some(if *will_retry {
                "the payment provider refused; it is tried again"
            } else {
                "the payment provider refused for good: give the money back by other means"
            }),
            ..of("refund refused", requested.as_ref().unwrap_or(refund_id))
        },
        _ => TimelineEntry { what: "something else", ..TimelineEntry::default() },
    }
}
