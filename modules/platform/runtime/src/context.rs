//! What travels with each piece of work, through calls, events and log lines.

use std::{sync::Arc, time::Duration};

use axum::{extract::FromRequestParts, http::request::Parts};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Principal, Random};

/// How long work may take when nobody said otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// The deadline, the principal, the correlation id and the trace of one piece of work. Cheap to
/// clone. Calls made while doing the work take a reference to it, so that all of it travels on.
#[derive(Debug, Clone)]
pub struct Context(Arc<Parcel>);

#[derive(Debug, Clone)]
struct Parcel {
    deadline: Instant,
    principal: Principal,
    correlation_id: Arc<str>,
    causation_id: Option<Uuid>,
    trace: TraceContext,
}

impl Context {
    /// The context of work that starts here: a public request, a timer, a command.
    pub fn new(
        principal: Principal,
        deadline: Instant,
        correlation_id: impl Into<Arc<str>>,
        trace: TraceContext,
    ) -> Self {
        Self(Arc::new(Parcel {
            deadline,
            principal,
            correlation_id: correlation_id.into(),
            causation_id: None,
            trace,
        }))
    }

    /// When the work must be finished, on the monotonic clock.
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// What is left until the deadline; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// On whose behalf the work is done.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// What ties together everything that one request caused. Clients see it as `x-request-id`.
    pub fn correlation_id(&self) -> &str {
        &self.0.correlation_id
    }

    /// The event that caused this work, when one did.
    pub fn causation_id(&self) -> Option<Uuid> {
        self.0.causation_id
    }

    /// The W3C trace this work belongs to.
    pub fn trace(&self) -> &TraceContext {
        &self.0.trace
    }

    /// The same work with less time: the deadline is `deadline` or the present one, whichever
    /// comes first.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        let mut parcel = (*self.0).clone();
        parcel.deadline = parcel.deadline.min(deadline);
        Self(Arc::new(parcel))
    }

    /// The same work on behalf of `principal`.
    #[must_use]
    pub fn with_principal(&self, principal: Principal) -> Self {
        let mut parcel = (*self.0).clone();
        parcel.principal = principal;
        Self(Arc::new(parcel))
    }

    /// The same work, caused by the event `id`.
    #[must_use]
    pub fn caused_by(&self, id: Uuid) -> Self {
        let mut parcel = (*self.0).clone();
        parcel.causation_id = Some(id);
        Self(Arc::new(parcel))
    }
}

/// The edge puts the context into the request's extensions; handlers take it as an argument.
impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = axum::http::StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A position in a W3C trace (<https://www.w3.org/TR/trace-context/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// A new trace.
    pub fn start(random: &dyn Random) -> Self {
        Self {
            trace_id: u128::from_be_bytes(random.bytes()).max(1),
            span_id: u64::from_be_bytes(random.bytes()).max(1),
            sampled: true,
        }
    }

    /// Reads a `traceparent` header. `None` when it is not valid, and then a new trace starts.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let is_lower_hex =
            |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut fields = traceparent.split('-');
        let (version, trace_id, span_id, flags) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let lengths_fit =
            version.len() == 2 && trace_id.len() == 32 && span_id.len() == 16 && flags.len() == 2;
        let later_version_may_have_more = version != "00" || fields.next().is_none();
        if !lengths_fit
            || version == "ff"
            || !later_version_may_have_more
            || ![version, trace_id, span_id, flags].into_iter().all(is_lower_hex)
        {
            return None;
        }
        let trace = Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok()?,
            span_id: u64::from_str_radix(span_id, 16).ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (trace.trace_id != 0 && trace.span_id != 0).then_some(trace)
    }

    /// The same trace with a new span, for work that this work starts elsewhere.
    #[must_use]
    pub fn child(&self, random: &dyn Random) -> Self {
        Self { span_id: u64::from_be_bytes(random.bytes()).max(1), ..*self }
    }

    /// The trace's id as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The value of a `traceparent` header.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}
