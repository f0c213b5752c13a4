//! What listeners answer to requests that nobody here takes.

use axum::{
    Router,
    http::{StatusCode, Uri, header},
    routing::any,
};

use crate::Refusal;

const PROBLEM: &str = r#"{"type":"about:blank","title":"Starting","status":503,"detail":"The service is starting; try again in a second."}"#;

/// To clients while modules start: a problem (RFC 9457) that says when to come back.
pub(crate) fn starting() -> Router {
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "1")];
    Router::new().fallback(any(async move || (StatusCode::SERVICE_UNAVAILABLE, headers, PROBLEM)))
}

/// To other processes while modules start. They understand it as "not sent".
pub(crate) fn starting_internal() -> Router {
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "it is starting");
    Router::new().fallback(any(async move || refusal))
}

/// To other processes that ask for what is not here. They understand it as "not sent".
pub(crate) fn elsewhere() -> Router {
    Router::new().fallback(any(async move |uri: Uri| {
        Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing at {} here", uri.path()))
    }))
}
