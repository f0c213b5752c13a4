//! The outermost layer: names the request, counts it, writes its line in the log, and gives every
//! response what all have in common.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use runtime::TraceContext;
use tokio::time::Instant;
use tracing::Instrument;

use super::{REQUEST_ID, Stack, TRACEPARENT};
use crate::{Problem, conditional::not_modified, problem::Occurrence, problems};

const LONGEST_REQUEST_ID: usize = 64;

/// What answers may do in a browser: nothing. The documentation brings a policy of its own.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The status in metrics and log of a request whose client did not wait for the answer.
const CLIENT_LEFT: u16 = 499;

/// A request as the stack knows it from its head.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) request_id: Arc<str>,
    pub(super) trace: TraceContext,
    pub(super) deadline: Instant,
}

pub(super) async fn observe(
    State(stack): State<Arc<Stack>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let arrival = Arrival {
        request_id: request_id(&stack, request.headers()),
        trace: trace(&stack, request.headers()),
        deadline: started + stack.settings.request_timeout,
    };
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let mut observation = Observation::start(request.method(), route, &arrival, started);
    let span = tracing::info_span!(
        "request",
        method = observation.method,
        route = &*observation.route,
        request_id = &*arrival.request_id,
        trace_id = arrival.trace.trace_id(),
    );
    let path = request.uri().path().to_owned();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let if_none_match = request.headers().get(header::IF_NONE_MATCH).filter(|_| is_read).cloned();
    name(&mut request, &arrival);

    let answer = next.run(request).instrument(span.clone()).await;

    let _in_span = span.entered();
    let occurrence = Occurrence { path: &path, request_id: &arrival.request_id };
    let mut response = not_modified(if_none_match.as_ref(), as_problem(answer, &occurrence));
    add_headers(response.headers_mut(), &stack, &arrival);
    observation.status = response.status().as_u16();
    response
}

/// Tells the layers within, and whoever a gateway forwards to, who the request is.
fn name(request: &mut Request, arrival: &Arrival) {
    let names = [
        (REQUEST_ID, HeaderValue::from_str(&arrival.request_id)),
        (TRACEPARENT, HeaderValue::try_from(arrival.trace.traceparent())),
    ];
    for (header_name, value) in names {
        if let Ok(value) = value {
            request.headers_mut().insert(header_name, value);
        }
    }
    request.extensions_mut().insert(arrival.clone());
}

fn request_id(stack: &Stack, headers: &HeaderMap) -> Arc<str> {
    let is_fit = |text: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(is_fit);
    given.map_or_else(|| stack.ids.next().to_string().into(), Into::into)
}

fn trace(stack: &Stack, headers: &HeaderMap) -> TraceContext {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let given = values.next().filter(|_| values.next().is_none());
    given
        .and_then(|value| TraceContext::parse(value.to_str().ok()?))
        .map_or_else(|| TraceContext::start(&*stack.random), |it| it.child(&*stack.random))
}

/// Gives a problem its occurrence, and makes one of an error that the framework answered itself.
fn as_problem(response: Response, occurrence: &Occurrence<'_>) -> Response {
    if let Some(problem) = response.extensions().get::<Arc<Problem>>() {
        let known = Problem::clone(problem);
        return keep_headers(response, known.respond(Some(occurrence)));
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_bare = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|media_type| media_type.as_bytes().starts_with(b"text/plain"));
    if !is_error || !is_bare {
        return response;
    }
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!("the framework answered a request with an error of its own");
    }
    let problem = Problem::new(problems::for_status(status.as_u16()));
    keep_headers(response, problem.respond(Some(occurrence)))
}

/// What layers in between added to a response, such as `Allow` or `Vary`, stays.
fn keep_headers(former: Response, mut problem: Response) -> Response {
    let (parts, _body) = former.into_parts();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_LENGTH && !problem.headers().contains_key(name) {
            problem.headers_mut().append(name.clone(), value.clone());
        }
    }
    problem
}

fn add_headers(headers: &mut HeaderMap, stack: &Stack, arrival: &Arrival) {
    if let Ok(id) = HeaderValue::from_str(&arrival.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    let caching = if headers.contains_key(header::ETAG) { "private, no-cache" } else { "no-store" };
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, caching),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let hsts = stack.settings.hsts_max_age.map(|age| format!("max-age={}", age.as_secs()));
    if let Some(value) = hsts.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}

/// Counts a request and writes its line when it is over, also when its client went away before.
struct Observation {
    method: &'static str,
    route: String,
    request_id: Arc<str>,
    trace_id: String,
    started: Instant,
    status: u16,
}

impl Observation {
    fn start(method: &Method, route: Option<&str>, arrival: &Arrival, started: Instant) -> Self {
        metrics::gauge!("http_requests_in_flight").increment(1.0);
        Self {
            method: method_name(method),
            route: route.unwrap_or("unmatched").to_owned(),
            request_id: Arc::clone(&arrival.request_id),
            trace_id: arrival.trace.trace_id(),
            started,
            status: CLIENT_LEFT,
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let elapsed: Duration = self.started.elapsed();
        let labels = [
            ("method", self.method.to_owned()),
            ("route", self.route.clone()),
            ("status", self.status.to_string()),
        ];
        metrics::gauge!("http_requests_in_flight").decrement(1.0);
        metrics::counter!("http_requests_total", &labels).increment(1);
        metrics::histogram!("http_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
        tracing::info!(
            target: "access",
            method = self.method,
            route = self.route,
            status = self.status,
            duration_ms = milliseconds(elapsed),
            request_id = &*self.request_id,
            trace_id = self.trace_id,
            "answered"
        );
    }
}

/// To the microsecond; what is beyond is noise, and long to read.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The method as a label. Clients may make up methods; they all count as one.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_logged_to_the_microsecond() {
        let logged = |nanoseconds| milliseconds(Duration::from_nanos(nanoseconds)).to_string();
        assert_eq!(logged(414_299), "0.414");
        assert_eq!(logged(1_500_000_499), "1500");
        assert_eq!(logged(12_345_678), "12.346");
    }
}
