//! `POST /v1/orders/{order_id}/cancel`.

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::ExecuteError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, Part, tagged};
use crate::{
    domain::{Cancel, Cause, Command, Rejection},
    problems,
    resource::OrderResource,
};

edge::problem_responses! {
    /// What cancelling may be refused with.
    pub(super) CancelProblems:
        problems::ORDER_IS_PAID,
        problems::ORDER_HAS_NO_TICKETS,
        problems::ORDER_HAS_ENDED,
}

/// What to cancel.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"positions": [2], "reason": "one of them is ill"}))]
pub(super) struct CancelOrder {
    /// Positions of the order, counted from 1, at least one of them. Left out: the whole order.
    #[garde(length(min = 1, max = 400))]
    #[schema(min_items = 1, max_items = 400)]
    #[serde(default)]
    positions: Option<Vec<u32>>,
    /// Why: for the buyer, the door and the books.
    #[garde(length(chars, max = 500))]
    #[schema(max_length = 500)]
    #[serde(default)]
    reason: String,
}

/// Cancel an order
///
/// Buyers can until the order is paid. Members of the organizer can at any time: the tickets become
/// void, the places are free again and the money is returned. Repeating it is harmless. The answer
/// may come while that is under way, in the state `calling_off`.
///
/// With `positions` only these are cancelled, once the order is `fulfilled`: the order keeps the other
/// tickets, and `overpaid` tells what is on its way back. Naming all that are left cancels the
/// order. An empty list names nothing and is refused.
///
/// Should the bank send money back that was returned, a cancelled order is `calling_off` again until
/// it has been given back otherwise.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/cancel",
    params(("order_id" = Uuid, Path)),
    request_body = Option<CancelOrder>,
    responses(
        (status = 200, description = "The order as it is now", body = OrderResource),
        CancelProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn cancel_order(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    wish: Option<Json<CancelOrder>>,
) -> Result<Tagged<Json<OrderResource>>, Problem> {
    let CancelOrder { positions, reason } = wish.map(|Json(wish)| wish).unwrap_or_default();
    let cause = match app.part_in(&cx, id).await? {
        Part::Buyer => Cause::BuyerCancelled,
        Part::Organizer => Cause::OrganizerCancelled,
    };
    let (return_id, at) = (app.ids.next(), app.clock.now());
    let positions = positions.unwrap_or_default();
    let reason = reason.trim().to_owned();
    let command = Command::Cancel(Cancel { cause, reason, positions, return_id, at });
    let cancelled = match app.orders.execute(&cx, id, command).await {
        Ok(cancelled) => cancelled,
        Err(ExecuteError::Rejected(Rejection::Ended)) => {
            let ended = app.orders.load(id).await?.ok_or_else(Problem::not_found)?;
            return Err(problems::ended(&ended.state));
        }
        Err(error) => return Err(error.into()),
    };
    tracing::info!(order = %id, ?cause, "an order is cancelled, or some of it");
    match app.advance(&cx, id, cancelled, None).await {
        Ok(advanced) => tagged(id, &advanced.order),
        Err(stuck) => {
            tracing::info!(order = %id, %stuck, "an order waits and will be tried again");
            tagged(id, &app.orders.load(id).await?.ok_or_else(Problem::not_found)?)
        }
    }
}
