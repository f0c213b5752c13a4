//! What calls look like on the wire, apart from their JSON: paths, headers, and how a context
//! crosses in them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Context, DEFAULT_DEADLINE, Principal, Random, TraceContext};

/// Milliseconds that are left until the deadline when the request is sent.
pub(super) const DEADLINE: &str = "x-boxoffice-deadline-ms";
/// The principal as JSON in base64url.
pub(super) const PRINCIPAL: &str = "x-boxoffice-principal";
/// The event that caused the work.
pub(super) const CAUSATION: &str = "x-boxoffice-causation";
/// Says that a reply holds an error of the contract's.
pub(super) const OUTCOME: &str = "x-boxoffice-outcome";
pub(super) const OUTCOME_ERROR: &str = "error";
/// Says that the call was certainly not executed. Proxies, which send statuses of their own, do
/// not know it.
pub(super) const NOT_EXECUTED: &str = "x-boxoffice-not-executed";
const CORRELATION: &str = "x-correlation-id";
const TRACEPARENT: &str = "traceparent";

/// A request from another process is at most this many bytes.
pub(super) const REQUEST_LIMIT: usize = 2 * 1024 * 1024;
/// A reply from another process is at most this many bytes.
pub(super) const REPLY_LIMIT: usize = 16 * 1024 * 1024;

/// The longest deadline that a caller can ask for. Nothing here waits longer.
const LONGEST_DEADLINE: Duration = Duration::from_mins(5);

/// The headers that carry `cx` to the callee.
pub(super) fn headers_of(cx: &Context, random: &dyn Random) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let left = u64::try_from(cx.remaining().as_millis()).unwrap_or(u64::MAX);
    headers.insert(DEADLINE, HeaderValue::from(left));
    let texts = [
        (TRACEPARENT, cx.trace().child(random).traceparent()),
        (CORRELATION, cx.correlation_id().to_owned()),
        (PRINCIPAL, encode_principal(cx.principal())),
    ];
    for (name, text) in texts {
        // The callee starts a correlation id of its own when this one is no header.
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    if let Some(cause) = cx.causation_id()
        && let Ok(value) = HeaderValue::try_from(cause.to_string())
    {
        headers.insert(CAUSATION, value);
    }
    headers
}

/// The context that the caller sent, or what is wrong with it.
pub(super) fn context_of(headers: &HeaderMap, random: &dyn Random) -> Result<Context, String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let left = match headers.get(DEADLINE) {
        None => DEFAULT_DEADLINE,
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|digits| digits.parse().ok())
            .map(Duration::from_millis)
            .ok_or_else(|| format!("the header {DEADLINE} is not a number of milliseconds"))?,
    };
    let principal = text(PRINCIPAL)
        .and_then(decode_principal)
        .ok_or_else(|| format!("the header {PRINCIPAL} is missing or holds no principal"))?;
    let cause = match headers.get(CAUSATION) {
        None => None,
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|id| Uuid::try_parse(id).ok())
                .ok_or_else(|| format!("the header {CAUSATION} is not a UUID"))?,
        ),
    };
    let trace = text(TRACEPARENT)
        .and_then(TraceContext::parse)
        .unwrap_or_else(|| TraceContext::start(random));
    let correlation = text(CORRELATION).map_or_else(|| trace.trace_id(), str::to_owned);
    let deadline = Instant::now() + left.min(LONGEST_DEADLINE);
    let cx = Context::new(principal, deadline, correlation, trace);
    Ok(match cause {
        Some(id) => cx.caused_by(id),
        None => cx,
    })
}

fn encode_principal(principal: &Principal) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(principal).unwrap_or_default())
}

fn decode_principal(header: &str) -> Option<Principal> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}
