//! `GET /v1/orders/event-cancellations/{event_id}`: how far undoing the orders of an event is.

use axum::extract::State;
use contracts::catalog::FindSaleTerms;
use edge::{Json, Path, Problem};
use runtime::{Context, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{problems, saga::Purchases, views};

/// How far undoing the orders of a cancelled event has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "state": "running",
    "reason": "The singer is ill.",
    "begun_at": "2027-05-02T10:00:00Z",
    "orders": {"total": 120, "done": 117, "under_way": 2, "failed": 1},
}))]
pub(super) struct EventCancellation {
    event_id: Uuid,
    state: CancellationState,
    /// What the organizer tells buyers.
    reason: String,
    begun_at: Timestamp,
    /// When there was nothing left to undo.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    orders: UndoneOrders,
}

/// Whether orders are still being undone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CancellationState {
    /// Orders are being undone, or may still turn up that were placed as the event was cancelled.
    Running,
    /// All are, but for the money of those that failed.
    Done,
}

/// Orders that were undone because the event was cancelled.
#[derive(Debug, Serialize, ToSchema)]
struct UndoneOrders {
    /// How many there are.
    total: u64,
    /// Those with nothing left to undo: tickets void, places free, money returned.
    done: u64,
    /// Those that are being undone.
    under_way: u64,
    /// Those whose money the provider would not give back. Each is in the list of orders, `overpaid`, and
    /// done once somebody has given it back otherwise.
    failed: u64,
}

/// Read how far undoing the orders of a cancelled event has come
///
/// For members of the organizer. Cancelling an event undoes all its orders: open payments are closed,
/// tickets void, money returned.
#[utoipa::path(
    get,
    path = "/v1/orders/event-cancellations/{event_id}",
    params(("event_id" = Uuid, Path)),
    responses((status = 200, description = "How far it has come", body = EventCancellation)),
    security(("bearer" = [])),
)]
pub(super) async fn get_event_cancellation(
    State(app): State<App>,
    cx: Context,
    Path(event_id): Path<Uuid>,
) -> Result<Json<EventCancellation>, Problem> {
    edge::user(&cx)?;
    let job = app.cancellations.load(event_id).await?.ok_or_else(Problem::not_found)?;
    let begun = job.state.begun().ok_or_else(Problem::not_found)?;
    let organizer_id = app.organizer_of(&cx, event_id).await?;
    if !app.acts_for(&cx, organizer_id).await? {
        return Err(Problem::not_found());
    }
    let views::Undone { total, done, failed } =
        views::count_undone(&app.database, event_id).await?;
    let state = match begun.finished_at {
        Some(_) => CancellationState::Done,
        None => CancellationState::Running,
    };
    Ok(Json(EventCancellation {
        event_id,
        state,
        reason: begun.reason.clone(),
        begun_at: begun.begun_at,
        finished_at: begun.finished_at,
        orders: UndoneOrders {
            total,
            done,
            under_way: total.saturating_sub(done + failed),
            failed,
        },
    }))
}

impl Purchases {
    /// Who runs the event: as its orders say, or, when it has none, catalog.
    async fn organizer_of(&self, cx: &Context, event_id: Uuid) -> Result<Uuid, Problem> {
        if let Some(organizer_id) = views::organizer_of(&self.database, event_id).await? {
            return Ok(organizer_id);
        }
        let sale = self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await;
        Ok(sale.map_err(problems::from_catalog)?.organizer_id)
    }
}
