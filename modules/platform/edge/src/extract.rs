//! What handlers take from a request: the JSON body, path and query parameters. Their rejections
//! are problems that name what is wrong, and where.
//!
//! Pages and conditions have extractors of their own in `page.rs` and `conditional.rs`. How all
//! faults of an input are found is in `mend.rs`, and what is said about them in `words.rs`.

mod mend;
mod words;

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
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_path_to_error::Segment;

use self::mend::Misfit;
use crate::{FieldFault, Problem, RequestPart, page, problems};

/// A JSON object as the body, read strictly and then validated; as an answer, a JSON body.
///
/// Rejections: `unsupported-media-type`, `payload-too-large`, `malformed-json`, and
/// `invalid-input`, with everything that is wrong with the body: what is missing, unknown, of the
/// wrong type, and every rule that it breaks. Only in bodies of hundreds of KiB or with dozens of
/// faults, some wait until others are mended. Request types refuse unknown fields with
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
        read_json(&body).map(Self)
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
        let also_taken: &[&str] =
            if parts.extensions.get::<page::Paged>().is_some() { &page::PARAMETERS } else { &[] };
        read_query(&filters.join("&"), also_taken).map(Self)
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

/// Reads and validates the query string as `T`. `also_taken` are the parameters that others read.
pub(crate) fn read_query<T>(query: &str, also_taken: &[&str]) -> Result<T, Problem>
where
    T: DeserializeOwned + Validate<Context: Default>,
{
    let part = RequestPart::Query;
    let misfit = match from_query(query) {
        Ok(value) => return validated(part, value),
        Err(misfit) => misfit,
    };
    let input = form_urlencoded::parse(query.as_bytes())
        .map(|(name, text)| (name.into_owned(), Value::String(text.into_owned())))
        .collect();
    let reading = mend::Reading { part, also_taken, size: query.len() };
    let read = |input: &Value| from_query::<T>(&as_query(input));
    Err(Problem::invalid(reading.faults(misfit, Value::Object(input), read)))
}

fn from_query<T: DeserializeOwned>(query: &str) -> Result<T, Misfit> {
    let source = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(source)
        .map_err(|fault| Misfit::new(pointer(fault.path()), fault.into_inner().to_string()))
}

/// The members of an object as parameters; those that no parameter can be are left out.
fn as_query(input: &Value) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in input.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => query.append_pair(name, text),
            Value::Bool(_) | Value::Number(_) => query.append_pair(name, &value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
    }
    query.finish()
}

/// Reads and validates a body that must be one JSON object.
fn read_json<T>(body: &[u8]) -> Result<T, Problem>
where
    T: DeserializeOwned + Validate<Context: Default>,
{
    let part = RequestPart::Body;
    if body.is_empty() {
        return Err(Problem::new(&problems::MALFORMED_JSON).detail("the body is empty"));
    }
    if !body.trim_ascii_start().starts_with(b"{") {
        // Serde would take an array for a struct.
        parse(body)?;
        return Err(Problem::invalid([FieldFault::new(part, "", "must be an object")]));
    }
    let mut source = serde_json::Deserializer::from_slice(body);
    let misfit = match serde_path_to_error::deserialize(&mut source) {
        Ok(value) => {
            source.end().map_err(|error| malformed(&error))?;
            return validated(part, value);
        }
        Err(fault) => {
            let place = pointer(fault.path());
            Misfit::new(place, without_line(&fault.into_inner()))
        }
    };
    let input = parse(body)?;
    let read = |input: &Value| {
        serde_path_to_error::deserialize(input).map_err(|fault| {
            let place = pointer(fault.path());
            Misfit::new(place, without_line(&fault.into_inner()))
        })
    };
    let reading = mend::Reading { part, also_taken: &[], size: body.len() };
    Err(Problem::invalid(reading.faults::<T>(misfit, input, read)))
}

fn parse(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(&problems::MALFORMED_JSON).detail(error.to_string())
}

fn without_line(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(&*message, |(words, _)| words).to_owned()
}

fn validated<T: Validate<Context: Default>>(part: RequestPart, value: T) -> Result<T, Problem> {
    let faults = broken_rules(part, &value);
    if faults.is_empty() { Ok(value) } else { Err(Problem::invalid(faults)) }
}

/// The rules that `value` breaks, by place. Where something is blank, that it is too short besides
/// is not said.
fn broken_rules<T: Validate<Context: Default>>(part: RequestPart, value: &T) -> Vec<FieldFault> {
    let Err(report) = value.validate() else { return Vec::new() };
    let mut faults: Vec<FieldFault> = report
        .iter()
        .map(|(path, error)| {
            FieldFault::new(part, garde_pointer(path), words::of_rule(error.message()))
        })
        .collect();
    faults.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    let blank: Vec<String> = faults
        .iter()
        .filter(|fault| fault.detail == words::BLANK)
        .map(|fault| fault.pointer.clone())
        .collect();
    faults.retain(|fault| fault.detail != words::EMPTY || !blank.contains(&fault.pointer));
    faults
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
        ErrorKind::DeserializeError { message, .. } => words::of_misfit(&message, None, &[]),
        ErrorKind::ParseErrorAtKey { expected_type, .. }
        | ErrorKind::ParseErrorAtIndex { expected_type, .. }
        | ErrorKind::ParseError { expected_type, .. } => words::of_type(expected_type),
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
