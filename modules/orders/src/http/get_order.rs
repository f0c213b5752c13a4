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

/// The longest that a reader may wait for an order.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// What is left of the request's time for the last look and the answer.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);
/// How often a waiting reader looks at the order by itself; another process may drive it.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a reader waits for news of the money before payments is asked whether it came: events may
/// be held up, and somebody who has paid is not to wait for them.
const NEWS: Duration = Duration::from_secs(2);

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
/// For its buyer and its organizer. With `Prefer: wait=5` (RFC 7240) the answer comes when the order
/// is fulfilled, cancelled or expired, and after five seconds at the latest: after paying, this waits
/// for the tickets. A request may take so long (`edge.request_timeout`, 10 s unless configured) and no
/// wait takes longer; `Preference-Applied: wait=9` tells how long it could have taken.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    params(
        ("order_id" = Uuid, Path),
        ("prefer" = Option<String>, Header, description = "`wait=N`, N in seconds"),
    ),
    responses((
        status = 200,
        description = "The order",
        body = OwnOrder,
        headers(
            ("etag" = String),
            ("preference-applied" = Option<String>, description = "`wait=N`: how many seconds it \
                could have taken; absent when nobody waited"),
        ),
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
    let Some(wait) = wait(&headers, cx.remaining()) else {
        return Ok(shown(id, &order, part)?.into_response());
    };
    // Those who wait take a place that others work in: beyond so many, RFC 7240 lets us decline.
    let Some(listener) = app.waiting.listen(id, edge::user(&cx)?) else {
        return Ok(shown(id, &order, part)?.into_response());
    };
    let order = app.settled(&cx, &listener, order, wait).await?;
    let granted = HeaderValue::try_from(format!("wait={}", wait.as_secs()));
    let applied = [("preference-applied", granted.map_err(Problem::internal)?)];
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
        let began = Instant::now();
        let answer_by = began + wait;
        let mut is_asked = false;
        while !order.state.has_outcome() && Instant::now() < answer_by {
            let mut bell = pin!(listener.bell().notified());
            bell.as_mut().enable();
            order = self.orders.load(id).await?.ok_or_else(Problem::not_found)?;
            if order.state.has_outcome() {
                break;
            }
            if !is_asked && began.elapsed() >= NEWS {
                is_asked = true;
                self.look_for_money(&cx.with_deadline(answer_by), id, &order.state).await;
                continue;
            }
            let next_look = answer_by.min(Instant::now() + PAUSE);
            if timeout_at(next_look, bell).await.is_ok() {
                order = self.orders.load(id).await?.ok_or_else(Problem::not_found)?;
            }
        }
        Ok(order)
    }
}

/// How long the client wants to wait, if it does, as far as `remaining` allows, in whole seconds.
/// Other preferences are ignored, as RFC 7240 wants.
fn wait(headers: &HeaderMap, remaining: Duration) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.trim().strip_prefix("wait="))
        .find_map(|seconds| seconds.trim_matches('"').parse::<u64>().ok())?;
    let longest = LONGEST_WAIT.min(remaining.saturating_sub(TIME_TO_ANSWER));
    Some(Duration::from_secs(seconds.min(longest.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_as_long_as_asked_for_unless_the_request_is_over_before() {
        let cases = [
            ("wait=3", 10, Some(3)),
            ("respond-async, wait=8", 10, Some(8)),
            ("wait=\"10\"", 10, Some(9)),
            ("wait=60", 25, Some(20)),
            ("wait=5", 0, Some(0)),
            ("wait=soon", 10, None),
            ("handling=strict", 10, None),
        ];
        for (preference, remaining, granted) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", HeaderValue::from_static(preference));
            let granted = granted.map(Duration::from_secs);
            assert_eq!(wait(&headers, Duration::from_secs(remaining)), granted, "{preference}");
        }
    }
}
