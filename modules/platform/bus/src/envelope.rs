//! Integration events on their way, and as their handlers get them.

use std::{any::Any, panic::AssertUnwindSafe};

use runtime::{FIRST_EVENT_VERSION, IntegrationEvents, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Aggregate, Position, RawRecorded, Recorded};
use utoipa::ToSchema;
use uuid::Uuid;

/// An integration event with what is known about it. It travels as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Envelope {
    /// Its identity: that of the domain event it tells of.
    pub id: Uuid,
    /// Its full name, such as `orders.order_confirmed`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The version of the schema of its payload. Each event has a version of its own.
    pub schema_version: u16,
    /// What it is about. Events with one key are delivered in their order.
    pub key: Uuid,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// What ties together everything that one request caused.
    pub correlation_id: String,
    /// The event that caused it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// The W3C trace it was recorded in.
    pub traceparent: String,
    /// The event itself, as the publisher's contract describes it.
    pub payload: Value,
    /// That the publisher could not translate what happened. Then `payload` is null, since what a
    /// service records is its own affair; its log says why, and only somebody who repairs it can
    /// help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// An [`Envelope`] and where it stands in the publisher's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// The event.
    pub envelope: Envelope,
}

/// An integration event as its handler gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered<E> {
    /// What happened.
    pub event: E,
    /// Its identity, the same at each delivery.
    pub id: Uuid,
    /// What it is about.
    pub key: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// What ties together everything that one request caused. The work's context carries it on.
    pub correlation_id: String,
    /// The event that caused it, if one did.
    pub causation_id: Option<Uuid>,
    /// The W3C trace it was recorded in. The work's context carries it on.
    pub traceparent: String,
}

impl Envelope {
    /// Puts the translation of a recorded event into an envelope. `None` when it has no translation.
    /// `key` tells what an event is about that cannot be translated.
    pub(crate) fn seal<A, E>(
        raw: RawRecorded,
        translate: &dyn Fn(&Recorded<A::Event>) -> Option<E>,
        key: fn(&RawRecorded) -> Uuid,
    ) -> Option<Self>
    where
        A: Aggregate,
        E: IntegrationEvents,
    {
        let frame = Self {
            id: raw.id,
            event_type: format!("{}.{}.{}", E::PUBLISHER, raw.category, raw.event_type),
            schema_version: FIRST_EVENT_VERSION,
            key: key(&raw),
            time: raw.recorded_at.0,
            correlation_id: raw.correlation_id.clone(),
            causation_id: raw.causation_id,
            traceparent: raw.traceparent.clone(),
            payload: Value::Null,
            fault: None,
        };
        let translated = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let recorded = raw.decode::<A>().map_err(|error| error.to_string())?;
            let Some(event) = translate(&recorded) else {
                return Ok(None);
            };
            let key = event.key();
            let payload = serde_json::to_value(&event).map_err(|error| error.to_string())?;
            Ok(Some((key, payload)))
        }));
        match translated.unwrap_or_else(|panic| Err(words(panic.as_ref()))) {
            Ok(None) => None,
            Ok(Some((key, payload))) => {
                let tag = payload.get("type").and_then(Value::as_str).unwrap_or_default();
                let event_type = format!("{}.{tag}", E::PUBLISHER);
                let schema_version = E::version(&event_type);
                Some(Self { event_type, schema_version, key, payload, ..frame })
            }
            Err(reason) => {
                tracing::error!(event = %frame.id, frame.event_type, reason, "not translated");
                let fault = format!("event {} has no translation; its log says why", frame.id);
                Some(Self { fault: Some(fault), ..frame })
            }
        }
    }

    /// In the place of an event that is too large for the way it has to go: what it is about, and
    /// that it has to be asked for.
    pub(crate) fn without_payload(&self) -> Self {
        let fault = format!(
            "event {} is larger than the brokers take; a dead letter of it that is retried is asked \
             for at the service itself",
            self.id
        );
        Self { payload: Value::Null, fault: Some(fault), ..self.clone() }
    }

    /// The event as its handler gets it, whichever version it was written in, or why this build
    /// cannot read it.
    pub(crate) fn open<E: IntegrationEvents>(&self) -> Result<Delivered<E>, String> {
        if let Some(fault) = &self.fault {
            return Err(format!("{} could not tell what happened: {fault}", E::PUBLISHER));
        }
        let event = E::read(&self.event_type, self.schema_version, &self.payload)
            .map_err(|unreadable| unreadable.to_string())?;
        Ok(Delivered {
            event,
            id: self.id,
            key: self.key,
            at: self.time,
            correlation_id: self.correlation_id.clone(),
            causation_id: self.causation_id,
            traceparent: self.traceparent.clone(),
        })
    }
}

impl Envelope {
    /// Whether a text in it has the character NUL, which PostgreSQL keeps neither in a text nor in JSON.
    pub(crate) fn has_nul(&self) -> bool {
        let texts = [&self.event_type, &self.correlation_id, &self.traceparent];
        texts.into_iter().chain(&self.fault).any(|text| text.contains(NUL))
            || has_nul(&self.payload)
    }
}

pub(crate) const NUL: char = '\0';

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(NUL),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(members) => {
            members.iter().any(|(name, member)| name.contains(NUL) || has_nul(member))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("the translation panicked: {said}")
}
