//! `GET /v1/orders/{order_id}`.

use std::{pin::pin, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
};
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use serde::Serialize;
use store::Loaded;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, Part};
use crate::{domain::Order, resource::OrderResource, saga::Purchases, waiting::Listener};

/// The longest that a reader may wait for an order, in seconds.
const LONGEST_WAIT: u64 = 20;
/// How often a waiting reader looks at the order by itself; another process may drive it.
const PAUSE: Duration = Duration::from_millis(250);

/// An order as its buyer sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnOrder {
    #[serde(flatten)]
    order: OrderResource,
    /// Opens the order together with its code; for its buyer alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Read an order
///
/// For its buyer and its organizer. With `Prefer: wait=10` (RFC 7240) the answer comes when the
/// order is fulfilled, cancelled or expired, and after ten seconds at the latest: after paying, this
/// waits for the tickets.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    params(
        ("order_id" = Uuid, Path),
        ("prefer" = Option<String>, Header, description = "`wait=N`, N up to 20 seconds"),
    ),
    responses((
        status = 200,
        description = "The order",
        body = OwnOrder,
        headers(("etag" = String)),
    )),
    security(("bearer" = [])),
)]
pub(super) async fn get_order(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (order, part) = app.visible_order(&cx, id).await?;
    let Some(wait) = wait(&headers) else {
        return Ok(shown(id, &order, part)?.into_response());
    };
    // Those who wait take a place that others work in: beyond so many, RFC 7240 lets us decline.
    let Some(listener) = app.waiting.listen(id) else {
        return Ok(shown(id, &order, part)?.into_response());
    };
    let order = app.settled(&cx, &listener, order, wait).await?;
    let applied = [("preference-applied", HeaderValue::from_static("wait"))];
    Ok((applied, shown(id, &order, part)?).into_response())
}

fn shown(id: Uuid, order: &Loaded<Order>, part: Part) -> Result<Tagged<Json<OwnOrder>>, Problem> {
    let resource = OrderResource::of(id, &order.state).ok_or_else(Problem::not_found)?;
    let access = order.state.access.as_ref().filter(|_| part == Part::Buyer);
    let secret = access.map(|access| access.secret.clone());
    Ok(Tagged(order.version, Json(OwnOrder { order: resource, secret })))
}

impl Purchases {
    /// The order once it has come to its end, or as it is when the time to wait is over.
    async fn settled(
        &self,
        cx: &Context,
        listener: &Listener<'_>,
        mut order: Loaded<Order>,
        wait: Duration,
    ) -> Result<Loaded<Order>, Problem> {
        let id = listener.order_id();
        let answer_by = Instant::now() + wait.min(cx.remaining() / 2);
        while !order.state.has_outcome() && Instant::now() < answer_by {
            let mut bell = pin!(listener.bell().notified());
            bell.as_mut().enable();
            order = self.orders.load(id).await?.ok_or_else(Problem::not_found)?;
            if order.state.has_outcome() {
                break;
            }
            let next_look = answer_by.min(Instant::now() + PAUSE);
            if timeout_at(next_look, bell).await.is_ok() {
                order = self.orders.load(id).await?.ok_or_else(Problem::not_found)?;
            }
        }
        Ok(order)
    }
}

/// How long the client wants to wait, if it does. Other preferences are ignored, as RFC 7240 wants.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.trim().strip_prefix("wait="))
        .find_map(|seconds| seconds.trim_matches('"').parse::<u64>().ok())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}
