//! What the listeners answer while modules start.

use axum::{
    Router,
    http::{HeaderName, StatusCode, header},
    routing::any,
};

/// On an internal reply: the call was certainly not executed.
const NOT_EXECUTED: HeaderName = HeaderName::from_static("x-boxoffice-not-executed");

const PROBLEM: &str = r#"{"type":"about:blank","title":"Starting","status":503,"detail":"The service is starting; try again in a second."}"#;

/// A problem (RFC 9457) that says when to come back.
pub(crate) fn public() -> Router {
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "1")];
    Router::new().fallback(any(async move || (StatusCode::SERVICE_UNAVAILABLE, headers, PROBLEM)))
}

/// What callers understand as "not sent".
pub(crate) fn internal() -> Router {
    let answer = (StatusCode::SERVICE_UNAVAILABLE, [(NOT_EXECUTED, "1")], "starting");
    Router::new().fallback(any(async move || answer))
}
