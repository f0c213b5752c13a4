//! Conditional requests: the version of a resource as its `ETag`, `If-Match` on what can be edited,
//! `If-None-Match` on what is read.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{FieldFault, Problem, RequestPart, problems};

/// The strong entity tag of a resource at `version`. Only for answers that follow from the version
/// alone.
pub fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a header value")
}

/// An answer with the version of the resource it shows, sent as `ETag`. The stack answers a
/// matching `If-None-Match` with 304.
#[derive(Debug, Clone, Copy)]
pub struct Tagged<T>(pub u64, pub T);

impl<T: IntoResponse> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let Self(version, answer) = self;
        ([(header::ETAG, etag(version))], answer).into_response()
    }
}

/// The version of the resource that the client has seen, from `If-Match`: one entity tag as we gave
/// it out. A handler's argument on whatever can be edited; it passes the version on to the store,
/// which compares.
///
/// Rejections: `precondition-required` without the header; `precondition-failed` when it is no tag
/// of ours, so that it cannot match; `invalid-input` for `*` and lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub u64);

impl IfMatch {
    /// Passes when the resource is at the version the client has seen; a 412 problem otherwise. For
    /// resources that the event store does not check itself.
    pub fn check(self, current: u64) -> Result<(), Problem> {
        if self.0 == current { Ok(()) } else { Err(Problem::stale(current)) }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        let value = values.next().ok_or_else(|| Problem::new(&problems::PRECONDITION_REQUIRED))?;
        let tag = value.to_str().unwrap_or_default().trim();
        if tag == "*" || tag.contains(',') || values.next().is_some() {
            let fault = "send the one ETag that you have read, not * or a list";
            return Err(Problem::invalid([FieldFault::new(
                RequestPart::Header,
                "/if-match",
                fault,
            )]));
        }
        let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        version.and_then(|digits| digits.parse().ok()).map(Self).ok_or_else(|| {
            Problem::new(&problems::PRECONDITION_FAILED)
                .detail("If-Match is not an ETag of this resource")
        })
    }
}

/// Turns a successful answer to a read into 304 when the client has what it says.
pub(crate) fn not_modified(if_none_match: Option<&HeaderValue>, response: Response) -> Response {
    let has_it = response.status() == StatusCode::OK
        && if_none_match
            .zip(response.headers().get(header::ETAG))
            .is_some_and(|(known, present)| matches_weakly(known, present));
    if !has_it {
        return response;
    }
    let (mut parts, _body) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    forget_body(&mut parts.headers);
    Response::from_parts(parts, Body::empty())
}

fn forget_body(headers: &mut HeaderMap) {
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING] {
        headers.remove(name);
    }
}

/// RFC 9110, section 13.1.2: weak comparison, `*` matches whatever is there.
fn matches_weakly(known: &HeaderValue, present: &HeaderValue) -> bool {
    let (Ok(known), Ok(present)) = (known.to_str(), present.to_str()) else { return false };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|tag| opaque(tag) == opaque(present))
}
