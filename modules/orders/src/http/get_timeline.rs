//! `GET /v1/orders/{order_id}/timeline`: what happened to an order, for people.

use axum::extract::State;
use contracts::money::Money;
use edge::{Json, Path, Problem};
use runtime::{Context, Timestamp};
use serde::Serialize;
use store::Recorded;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::domain::{Cause, Event};

/// What happened to an order, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"entries": [{
    "at": "2027-05-02T10:00:00Z",
    "what": "placed",
    "by": "user:01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
}]}))]
pub(super) struct Timeline {
    entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    at: Timestamp,
    what: &'static str,
    /// Why, when the order was refused or called off.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    /// How much, when money was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
    /// Who did it: `user:<id>` or `service:<name>`.
    by: String,
}

/// Read what happened to an order
///
/// For its buyer and its organizer: every step of the purchase, and of its undoing.
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
    app.visible_order(&cx, id).await?;
    let history = app.orders.history(id).await?;
    Ok(Json(Timeline { entries: history.into_iter().map(Entry::from).collect() }))
}

impl From<Recorded<Event>> for Entry {
    fn from(recorded: Recorded<Event>) -> Self {
        let (mut cause, mut amount) = (None, None);
        let what = match &recorded.event {
            Event::Placed { .. } => "placed",
            Event::PlacesHeld { .. } => "places held",
            Event::PaymentOpened { .. } => "waiting for payment",
            Event::PaymentReceived { amount: received, .. } => {
                amount = Some(*received);
                "payment received"
            }
            Event::PlacesConfirmed { .. } => "places sold",
            Event::TicketsIssued { .. } => "tickets issued",
            Event::Refused { cause: why, .. } => {
                cause = Some(*why);
                "refused"
            }
            Event::CalledOff { cause: why, .. } => {
                cause = Some(*why);
                "called off"
            }
            Event::PaymentClosed { .. } => "payment closed",
            Event::TicketsVoided { .. } => "tickets voided",
            Event::MoneyReturned { .. } => "money returned",
            Event::PlacesReleased { .. } => "places released",
            Event::Ended { .. } => "ended",
        };
        Self { at: recorded.event.at(), what, cause, amount, by: recorded.actor }
    }
}
