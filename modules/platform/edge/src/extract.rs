//! What handlers take from a request: the JSON body, path and query parameters. Their rejections
//! are problems that name what is wrong, and where.
//!
//! Pages and conditions have extractors of their own in `page.rs` and `conditional.rs`.

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, OptionalFromRequest, Request,
        path::ErrorKind,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use garde::Validate;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_path_to_error::Segment;

use crate::{FieldFault, Problem, RequestPart, page, problems};

/// A JSON object as the body, read strictly and then validated; as an answer, a JSON body.
///
/// Rejections: `unsupported-media-type`, `payload-too-large`, `malformed-json`, and
/// `invalid-input`, with every rule that the body breaks. A value of the wrong type stops the
/// reading, so that one is reported alone. Request types refuse unknown fields with
/// `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        if !is_json(request.headers()) {
            return Err(Problem::new(&problems::UNSUPPORTED_MEDIA_TYPE));
        }
        let body = Bytes::from_request(request, state).await.map_err(|fault| unreadable(&fault))?;
        let value = read_json(&body)?;
        validate(RequestPart::Body, &value)?;
        Ok(Self(value))
    }
}

/// `None` for a request without a body.
impl<T, S> OptionalFromRequest<S> for Json<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Self::Rejection> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            return <Self as FromRequest<S>>::from_request(request, state).await.map(Some);
        }
        let body = Bytes::from_request(request, state).await.map_err(|fault| unreadable(&fault))?;
        if body.is_empty() {
            return Ok(None);
        }
        Err(Problem::new(&problems::UNSUPPORTED_MEDIA_TYPE))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => {
                Problem::internal(format!("an answer cannot be written as JSON: {error}"))
                    .into_response()
            }
        }
    }
}

/// The query parameters, validated. Unknown ones are refused when `T` says
/// `#[serde(deny_unknown_fields)]`; `limit` and `cursor` are left to [`crate::Page`].
///
/// Rejection: `invalid-input`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let filters: Vec<&str> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !page::PARAMETERS.contains(&pair.split('=').next().unwrap_or_default()))
            .collect();
        let value = read_query(&filters.join("&"))?;
        validate(RequestPart::Query, &value)?;
        Ok(Self(value))
    }
}

/// The path's parameters.
///
/// Rejection: `invalid-input`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    #[expect(clippy::disallowed_types, reason = "its rejection becomes a problem here")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(fault)) => {
                Err(path_fault(fault.into_kind()))
            }
            Err(defect) => Err(Problem::internal(defect)),
        }
    }
}

/// Reads the query string as `T`.
pub(crate) fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let source = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(source).map_err(|fault| {
        let pointer = pointer(fault.path());
        located(RequestPart::Query, pointer, &fault.into_inner().to_string())
    })
}

/// Reads a body that must be one JSON value as `T`.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::new(&problems::MALFORMED_JSON).detail("the body is empty"));
    }
    if !body.trim_ascii_start().starts_with(b"{") {
        // Serde would take an array for a struct.
        serde_json::from_slice::<IgnoredAny>(body)
            .map_err(|error| json_fault(String::new(), &error))?;
        return Err(located(RequestPart::Body, String::new(), "not an object"));
    }
    let mut source = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut source).map_err(|fault| {
        let pointer = pointer(fault.path());
        json_fault(pointer, &fault.into_inner())
    })?;
    source.end().map_err(|error| json_fault(String::new(), &error))?;
    Ok(value)
}

fn json_fault(pointer: String, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    if !error.is_data() {
        return Problem::new(&problems::MALFORMED_JSON).detail(message);
    }
    let without_place = message.rsplit_once(" at line ").map_or(&*message, |(words, _)| words);
    located(RequestPart::Body, pointer, without_place)
}

/// A fault where serde found it. Of a field that is missing or unknown serde names the parent, so
/// the field is added.
fn located(part: RequestPart, mut pointer: String, message: &str) -> Problem {
    let field = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    if let Some(token) = field.map(|name| format!("/{}", escape(name)))
        && !pointer.ends_with(&token)
    {
        pointer.push_str(&token);
    }
    Problem::invalid([FieldFault::new(part, pointer, message)])
}

fn validate<T: Validate<Context: Default>>(part: RequestPart, value: &T) -> Result<(), Problem> {
    let Err(report) = value.validate() else { return Ok(()) };
    let mut faults: Vec<FieldFault> = report
        .iter()
        .map(|(path, error)| FieldFault::new(part, garde_pointer(path), error.message()))
        .collect();
    faults.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    Err(Problem::invalid(faults))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let tokens = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key: name } | Segment::Enum { variant: name } => Some(name.clone()),
        Segment::Unknown => None,
    });
    json_pointer(tokens)
}

/// The components of garde's path, which it shows to serde only.
#[derive(Deserialize)]
struct Component(
    #[expect(dead_code, reason = "names and indices are written alike")] String,
    String,
);

fn garde_pointer(path: &garde::Path) -> String {
    let components: Vec<Component> =
        serde_json::to_value(path).and_then(serde_json::from_value).unwrap_or_default();
    let tokens = components.into_iter().map(|Component(_, name)| name);
    json_pointer(tokens.filter(|name| !name.is_empty()))
}

fn json_pointer(tokens: impl Iterator<Item = String>) -> String {
    tokens.fold(String::new(), |pointer, token| pointer + "/" + &escape(&token))
}

/// A reference token of a JSON pointer.
fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn path_fault(kind: ErrorKind) -> Problem {
    let parameter = match &kind {
        ErrorKind::ParseErrorAtKey { key, .. }
        | ErrorKind::InvalidUtf8InPathParam { key }
        | ErrorKind::DeserializeError { key, .. } => format!("/{}", escape(key)),
        _ => String::new(),
    };
    let detail = match kind {
        ErrorKind::DeserializeError { message, .. } => message,
        ErrorKind::ParseErrorAtKey { expected_type, .. }
        | ErrorKind::ParseErrorAtIndex { expected_type, .. }
        | ErrorKind::ParseError { expected_type, .. } => format!("not of the type {expected_type}"),
        other => other.to_string(),
    };
    Problem::invalid([FieldFault::new(RequestPart::Path, parameter, detail)])
}

/// A body that could not be had.
pub(crate) fn unreadable(fault: &BytesRejection) -> Problem {
    if fault.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(&problems::PAYLOAD_TOO_LARGE);
    }
    Problem::new(&problems::BAD_REQUEST).detail("the body did not arrive in full")
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}
