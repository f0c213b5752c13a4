//! The inner layer: takes no more than the process can do, gives each request its deadline and its
//! caller, and works on it in a task of its own.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use runtime::{Context, Principal, TaskFault};
use tracing::Instrument;

use super::{
    Stack, TokenUse,
    body::{Upload, too_busy, watch},
    observe::Arrival,
};
use crate::{
    Network, Problem, authenticate::Identified, authorize::unauthenticated, page::Paged, problems,
};

/// Who has reached the deadline may answer that himself, and better than the stack; it waits so
/// much longer.
const GRACE: Duration = Duration::from_millis(100);

/// How long after its deadline work may go on that nobody waits for any more.
const ABANDONED_WORK_MAY_TAKE: Duration = Duration::from_secs(30);

const TIMED_OUT_RETRY: Duration = Duration::from_secs(1);

pub(super) async fn guard(
    State(stack): State<Arc<Stack>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(place) = stack.places.take() else { return too_busy().into_response() };
    let limit = stack.settings.body_limit_bytes;
    if announced_length(request.headers()).is_some_and(|length| length > limit) {
        return Problem::new(&problems::PAYLOAD_TOO_LARGE).into_response();
    }
    let Some(arrival) = request.extensions().get::<Arrival>().cloned() else {
        return Problem::internal("a request came past the layer that names it").into_response();
    };
    let deadline = arrival.deadline;
    let (watched, upload) = watch(request, limit, deadline, &place);

    let worker = Arc::clone(&stack);
    let work = async move {
        let answering = answer(&worker, arrival, watched, next);
        let limited = tokio::time::timeout_at(deadline + ABANDONED_WORK_MAY_TAKE, answering);
        let response =
            limited.await.unwrap_or_else(|_| Problem::new(&problems::TIMED_OUT).into_response());
        place.leave();
        response
    };
    let task = stack.tasks.spawn(work.in_current_span());
    let response = match tokio::time::timeout_at(deadline + GRACE, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(TaskFault::Panicked(message))) => {
            Problem::internal(format!("a handler panicked: {message}")).into_response()
        }
        Ok(Err(TaskFault::Killed)) | Err(_) => timed_out(),
    };
    prefer_fault_of_upload(&upload, response)
}

/// Finds out who asks, and lets the handler answer.
async fn answer(stack: &Stack, arrival: Arrival, mut request: Request, next: Next) -> Response {
    let Arrival { request_id, trace, deadline } = arrival;
    let anonymous = Context::new(Principal::Anonymous, deadline, request_id, trace);
    let token_use = token_use(stack, &request);
    let authenticator = stack.authenticator.as_ref().filter(|_| token_use != TokenUse::None);
    let identified = match authenticator {
        Some(authenticator) => authenticator.identify(&anonymous, request.headers()).await,
        None => Ok(Identified::Nobody),
    };
    let may_be_nobody = authenticator.is_none() || token_use != TokenUse::Needed;
    let cx = match identified {
        Ok(Identified::Nobody) if may_be_nobody => anonymous,
        Ok(Identified::Nobody) => return unauthenticated().into_response(),
        Ok(Identified::User(claims)) => {
            let cx = anonymous.with_principal(claims.principal());
            request.extensions_mut().insert(claims);
            cx
        }
        Err(problem) => return problem.into_response(),
    };
    request.extensions_mut().insert(cx);
    let network =
        Network::of_request(request.extensions(), request.headers(), stack.settings.proxies);
    request.extensions_mut().insert(network);
    if gives_pages(stack, &request) {
        request.extensions_mut().insert(Paged);
    }
    next.run(request).await
}

fn token_use(stack: &Stack, request: &Request) -> TokenUse {
    let route = request.extensions().get::<MatchedPath>();
    route.map_or(TokenUse::None, |route| (stack.token_use)(request.method(), route.as_str()))
}

fn gives_pages(stack: &Stack, request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>();
    route.is_some_and(|route| (stack.gives_pages)(request.method(), route.as_str()))
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whoever read a body that did not arrive knows less about the reason than we do.
fn prefer_fault_of_upload(upload: &Upload, response: Response) -> Response {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    match upload.problem() {
        Some(problem) if is_error => problem.into_response(),
        // Whoever forwards the body may give up just before its alarm rings.
        None if response.status() == StatusCode::GATEWAY_TIMEOUT && upload.is_awaited() => {
            Problem::new(&problems::REQUEST_TIMEOUT).into_response()
        }
        _ => response,
    }
}

fn timed_out() -> Response {
    Problem::new(&problems::TIMED_OUT).retry_after(TIMED_OUT_RETRY).into_response()
}
