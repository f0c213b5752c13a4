//! Answers that are stored with the effect they tell of, so that a repeated request gets the same
//! one; see `idempotency.rs`.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use store::Answer;

/// 201 for a resource that was created at `location`, with its version as `etag`.
pub fn created(location: impl Into<String>, version: u64, body: &impl Serialize) -> Answer {
    tagged(Answer::json(201, body), version).header("location", location)
}

/// 200 for a resource that was changed, with its version as `etag`.
pub fn ok(version: u64, body: &impl Serialize) -> Answer {
    tagged(Answer::json(200, body), version)
}

fn tagged(answer: Answer, version: u64) -> Answer {
    answer.header("etag", format!("\"{version}\""))
}

/// The answer that `store::Execution::answer` stored and yielded, as a handler's response.
#[derive(Debug, Clone)]
pub struct Answered(pub Answer);

/// Marks a response whose answer is stored already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlreadyStored;

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let mut response = respond(self.0);
        response.extensions_mut().insert(AlreadyStored);
        response
    }
}

/// An answer that was not stored with an effect, as a handler's response. JSON unless its headers
/// say otherwise.
pub fn respond(answer: Answer) -> Response {
    let Answer { status, headers, body } = answer;
    let has_body = !body.is_empty();
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    for (name, value) in headers {
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(header_name), Ok(header_value)) = pair {
            response.headers_mut().insert(header_name, header_value);
        }
    }
    if has_body {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
    }
    response
}
