//! `GET /v1/orders/{order_id}`.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
};
use edge::{Path, Problem};
use runtime::Context;
use store::Loaded;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{App, tagged};
use crate::{domain::Order, views::OrderResource};

/// The longest that a reader may wait for an order, in seconds.
const LONGEST_WAIT: u64 = 20;
/// How soon a waiting reader looks at the order again; the wait doubles up to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

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
        body = OrderResource,
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
    let order = app.visible_order(&cx, id).await?;
    let Some(wait) = wait(&headers) else {
        return Ok(tagged(id, &order)?.into_response());
    };
    // Those who wait take a place that others work in: beyond so many, RFC 7240 lets us decline.
    let Ok(_place) = app.waiting.try_acquire() else {
        return Ok(tagged(id, &order)?.into_response());
    };
    let order = settled(&app, &cx, id, order, wait).await?;
    let applied = [("preference-applied", HeaderValue::from_static("wait"))];
    Ok((applied, tagged(id, &order)?).into_response())
}

async fn settled(
    app: &App,
    cx: &Context,
    id: Uuid,
    mut order: Loaded<Order>,
    wait: Duration,
) -> Result<Loaded<Order>, Problem> {
    let answer_by = Instant::now() + wait.min(cx.remaining() / 2);
    let mut pause = FIRST_PAUSE;
    while !order.state.has_outcome() && Instant::now() < answer_by {
        sleep_until(answer_by.min(Instant::now() + pause)).await;
        pause = LONGEST_PAUSE.min(pause * 2);
        order = app.orders.load(id).await?.ok_or_else(Problem::not_found)?;
    }
    Ok(order)
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
