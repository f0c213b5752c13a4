//! The one form of every public error: RFC 9457 problem details.
//!
//! Which problems the edge itself has is in `problems.rs`; each service has a list of its own.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use runtime::Fault;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{ExecuteError, StoreError};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::problems;

/// The media type of every error body.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// How long a client should wait before it tries again when nobody knows better. Each answer adds
/// to it by chance of its request id, so that clients do not come back all at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A kind of problem. Its page is at `/problems/{slug}` and in `docs/errors.md`. Stable: clients
/// tell errors apart by it.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// Its name in the URI, lowercase words joined by hyphens.
    pub slug: &'static str,
    /// The HTTP status it comes with.
    pub status: u16,
    /// What it is, in a few words, the same each time.
    pub title: &'static str,
    /// What it means, for the page.
    pub meaning: &'static str,
    /// What the client should do about it, for the page.
    pub what_to_do: &'static str,
}

impl ProblemType {
    /// The `type` member of its problems.
    pub fn uri(&self) -> String {
        format!("/problems/{}", self.slug)
    }
}

/// One fault of the input. A problem reports all that were found together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldFault {
    /// Which part of the request is at fault.
    #[serde(rename = "in")]
    #[schema(rename = "in")]
    pub part: RequestPart,
    /// JSON pointer (RFC 6901) to what is at fault; empty for the whole part.
    #[schema(example = "/items/0/quantity")]
    pub pointer: String,
    /// What is wrong with it.
    #[schema(example = "must be 10 or less")]
    pub detail: String,
}

impl FieldFault {
    /// A fault at `pointer` of `part`.
    pub fn new(part: RequestPart, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { part, pointer: pointer.into(), detail: detail.into() }
    }
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestPart {
    /// The JSON body.
    Body,
    /// The parameters after the question mark.
    Query,
    /// The parameters in the path.
    Path,
    /// A header, named by the pointer.
    Header,
}

/// What went wrong with a request. Handlers return it as their error; the stack adds `instance`
/// and `request_id`. Nothing in it may tell of the system's inside.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: &'static ProblemType,
    detail: Option<String>,
    errors: Vec<FieldFault>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: &'static ProblemType) -> Self {
        Self {
            kind,
            detail: None,
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
            retry_after: None,
        }
    }

    /// A defect or a broken dependency. `cause` goes to the log with the request's id, and nothing
    /// of it to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(&problems::INTERNAL)
    }

    /// Nothing was done because something it needs is away; the client may try again. `cause` goes
    /// to the log only.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        tracing::warn!(%cause, "a request was not executed");
        Self::new(&problems::SERVICE_UNAVAILABLE).retry_after(RETRY_AFTER)
    }

    /// It was begun, and nobody knows what became of it. `cause` goes to the log only.
    pub fn unknown_fate(cause: impl std::fmt::Display) -> Self {
        tracing::warn!(%cause, "the fate of a request is unknown");
        Self::new(&problems::TIMED_OUT).retry_after(RETRY_AFTER)
    }

    /// Input that was read but is refused, with everything that is wrong with it.
    pub fn invalid(errors: impl IntoIterator<Item = FieldFault>) -> Self {
        Self::new(&problems::INVALID_INPUT).faults(errors)
    }

    /// A body whose field at `pointer` is refused for a reason that only the service can see.
    pub fn invalid_field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid([FieldFault::new(RequestPart::Body, pointer, detail)])
    }

    /// The resource has moved on since the client read it: it is at `current` now.
    pub fn stale(current: u64) -> Self {
        Self::new(&problems::PRECONDITION_FAILED)
            .detail("the resource has changed since you read it")
            .header(header::ETAG, crate::etag(current))
    }

    /// There is no such thing, or none that the caller may see.
    pub fn not_found() -> Self {
        Self::new(&problems::NOT_FOUND)
    }

    /// Its kind.
    pub fn kind(&self) -> &'static ProblemType {
        self.kind
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Says what is the matter this time: one sentence for the client's developer.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a member of its own to the problem, named `key`. A name that every problem has, and a
    /// value that cannot be written as JSON, are left out.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Serialize) -> Self {
        if let Ok(member) = serde_json::to_value(value)
            && !COMMON_MEMBERS.contains(&key)
        {
            self.members.insert(key.to_owned(), member);
        }
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds faults of the input.
    #[must_use]
    pub fn faults(mut self, errors: impl IntoIterator<Item = FieldFault>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// Tells the client to try again after this time, sent as `Retry-After` in whole seconds: never
    /// sooner.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The problem as it is sent. `occurrence` is known to the stack only.
    pub(crate) fn document<'a>(&'a self, occurrence: Option<&'a Occurrence<'a>>) -> Document<'a> {
        Document {
            kind: self.kind.uri(),
            title: self.kind.title,
            status: self.kind.status,
            detail: self.detail.as_deref(),
            instance: occurrence.map(|it| it.path),
            request_id: occurrence.map(|it| it.request_id),
            errors: (!self.errors.is_empty()).then_some(&self.errors),
            members: &self.members,
        }
    }

    /// The response for an occurrence. Carries the problem along, so that whoever handles the
    /// response later on knows what it says.
    pub(crate) fn respond(self, occurrence: Option<&Occurrence<'_>>) -> Response {
        let body = serde_json::to_vec(&self.document(occurrence)).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        if let Some(after) = self.retry_after {
            let chance =
                occurrence.map_or(0, |it| u64::from(it.request_id.bytes().last().unwrap_or(0)));
            let seconds =
                after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1);
            headers
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds + chance % (seconds + 1)));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

const COMMON_MEMBERS: [&str; 7] =
    ["type", "title", "status", "detail", "instance", "request_id", "errors"];

/// The members that every problem may have. A kind may add its own.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// The kind of problem, stable; `GET` it for an explanation.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "/problems/not-found")]
    kind: String,
    /// What it is, in a few words.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is the matter this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// What to tell the operator; the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// Every fault of the input that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a Vec<FieldFault>>,
    #[serde(flatten)]
    #[schema(ignore)]
    members: &'a Map<String, Value>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Document::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Document::schemas(schemas);
    }
}

/// The request in which a problem occurred.
pub(crate) struct Occurrence<'a> {
    pub path: &'a str,
    pub request_id: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.respond(None)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded(_) | StoreError::Unavailable(_) | StoreError::Contended(_) => {
                Self::unavailable(error)
            }
            StoreError::Unstorable(_) => Self::invalid_field("", "text with a NUL character"),
            StoreError::NotClaimed(_) => Self::new(&problems::IDEMPOTENCY_KEY_IN_FLIGHT)
                .detail("another request with this key was faster")
                .retry_after(RETRY_AFTER),
            StoreError::Unknown(_) => Self::unknown_fate(error),
            StoreError::Corrupt(_) | StoreError::Failed(_) => Self::internal(error),
        }
    }
}

impl<R: Into<Self>> From<ExecuteError<R>> for Problem {
    fn from(error: ExecuteError<R>) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => rejection.into(),
            ExecuteError::Stale { current } => Self::stale(current),
            ExecuteError::Store(failure) => failure.into(),
        }
    }
}

/// A call to another service that got no answer of its contract's.
impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotSent { .. } => Self::unavailable(fault),
            Fault::Unknown { .. } => Self::unknown_fate(fault),
            Fault::Failed { .. } => Self::internal(fault),
        }
    }
}
