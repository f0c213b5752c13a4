//! What happened, on its way into the log.

use runtime::{Context, Ids, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::{Aggregate, At, Position, Recorded, StoreError, job::contain, log::NewEvent};

/// An event as it will be recorded, and as a row.
pub(super) type New<A> = (Recorded<<A as Aggregate>::Event>, NewEvent);

/// What happened, ready to be taken in and written.
pub(super) fn record<A: Aggregate>(
    cx: &Context,
    stream: Uuid,
    version: u64,
    now: Timestamp,
    ids: &Ids,
    happened: Vec<A::Event>,
) -> Result<Vec<New<A>>, StoreError> {
    let (actor, traceparent) = (cx.principal().actor(), cx.trace().traceparent());
    happened
        .into_iter()
        .zip(version + 1..)
        .map(|(event, version)| {
            let (event_type, payload) = to_payload::<A>(&event)?;
            let recorded = Recorded {
                id: ids.next(),
                stream,
                version,
                position: Position::START,
                event,
                recorded_at: now,
                actor: actor.clone(),
                correlation_id: cx.correlation_id().to_owned(),
                causation_id: cx.causation_id(),
                traceparent: traceparent.clone(),
            };
            let row = NewEvent {
                ordinal: 0,
                id: recorded.id,
                category: A::NAME,
                stream,
                version,
                event_type,
                schema_version: A::EVENT_SCHEMA,
                payload,
                recorded_at: At(now),
                actor: actor.clone(),
                correlation_id: recorded.correlation_id.clone(),
                causation_id: recorded.causation_id,
                traceparent: traceparent.clone(),
            };
            Ok((recorded, row))
        })
        .collect()
}

fn to_payload<A: Aggregate>(event: &A::Event) -> Result<(String, Value), StoreError> {
    let serialized = contain(A::NAME, || serde_json::to_value(event))?;
    let payload = serialized.map_err(|error| {
        StoreError::Failed(format!("an event of {} is no JSON: {error}", A::NAME))
    })?;
    let Some(event_type) = payload.get("type").and_then(Value::as_str) else {
        return Err(StoreError::Failed(format!(
            "an event of {} has no type in its JSON; tag the enum with #[serde(tag = \"type\")]",
            A::NAME
        )));
    };
    if has_nul(&payload) {
        return Err(StoreError::Unstorable(format!(
            "{event_type} of {} has text with a NUL character",
            A::NAME
        )));
    }
    Ok((event_type.to_owned(), payload))
}

/// PostgreSQL cannot store the character; both databases refuse it, so that they agree.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, field)| name.contains('\0') || has_nul(field))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
