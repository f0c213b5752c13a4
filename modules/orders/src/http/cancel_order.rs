//! `POST /v1/orders/{order_id}/cancel`.

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::{App, Part, tagged};
use crate::{
    domain::{Cause, Command},
    problems,
    views::OrderResource,
};

edge::problem_responses! {
    /// What cancelling may be refused with.
    pub(super) CancelProblems: problems::ORDER_IS_PAID, problems::ORDER_HAS_ENDED
}

/// Cancel an order
///
/// Buyers can until the order is paid. Members of the organizer can at any time: the tickets become
/// void, the money is returned and the places are free again. Repeating it is harmless. The answer
/// may come while that is under way, in the state `calling_off`.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/cancel",
    params(("order_id" = Uuid, Path)),
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
) -> Result<Tagged<Json<OrderResource>>, Problem> {
    let cause = match app.part_in(&cx, id).await? {
        Part::Buyer => Cause::BuyerCancelled,
        Part::Organizer => Cause::OrganizerCancelled,
    };
    let command = Command::Cancel { cause, at: app.clock.now() };
    let called_off = app.orders.execute(&cx, id, command).await?;
    tracing::info!(order = %id, ?cause, "an order is called off");
    match app.advance(&cx, id, None).await {
        Ok(advanced) => tagged(id, &advanced.order),
        Err(stuck) => {
            tracing::info!(order = %id, %stuck, "an order waits and will be tried again");
            tagged(id, &called_off)
        }
    }
}
