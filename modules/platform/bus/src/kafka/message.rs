//! Events as messages: the value is the envelope, headers repeat what tools and consumers want to
//! know without looking into it.

use base64::{Engine, prelude::BASE64_STANDARD};
use rdkafka::{
    Message,
    message::{Header, Headers, OwnedHeaders, OwnedMessage},
};
use runtime::{Ids, Timestamp};
use serde_json::{Value, json};
use store::Position;
use uuid::Uuid;

use super::chain::Placing;
use crate::{Entry, Envelope};

const POSITION: &str = "position";
const PREVIOUS: &str = "previous";
const TYPE: &str = "type";
const ID: &str = "id";
const CORRELATION: &str = "correlation_id";
const TRACE: &str = "traceparent";
/// Where an unreadable message's value is kept in its dead letter.
const RAW: &str = "value_base64";
/// Whether it said where in the log it stands, as what our relays publish does.
const IS_PLACED: &str = "is_placed";
/// What is kept of a header that should be short.
const LONGEST_TEXT: usize = 200;

/// A message on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) offset: i64,
    /// `None`: no relay of ours published it.
    pub(crate) placing: Option<Placing>,
    pub(crate) entry: Entry,
}

/// The headers of an event. `producer` names the service and its version.
pub(super) fn headers(envelope: &Envelope, placing: Placing, producer: &str) -> OwnedHeaders {
    let texts = [
        (TYPE, envelope.event_type.clone()),
        ("schema_version", envelope.schema_version.to_string()),
        ("producer", producer.to_owned()),
        (TRACE, envelope.traceparent.clone()),
        (CORRELATION, envelope.correlation_id.clone()),
        (ID, envelope.id.to_string()),
        (POSITION, write(placing.position)),
        (PREVIOUS, write(placing.previous)),
    ];
    texts.iter().fold(OwnedHeaders::new_with_capacity(texts.len()), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_str()) })
    })
}

/// What a message holds. One that is no event becomes an event with a fault, whose payload has what
/// arrived.
pub(super) fn read(message: &OwnedMessage, ids: &Ids, now: Timestamp) -> Arrival {
    let placing = placing(message);
    let value = message.payload().unwrap_or_default();
    let envelope = match serde_json::from_slice::<Envelope>(value) {
        // What no relay of ours published is not to be taken for one of its events.
        Ok(envelope) if placing.is_some() => envelope,
        Ok(_) => unreadable(message, ids, now, "it does not say where in the log it stands"),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let reason = format!("its value is no envelope (line {line}, column {column})");
            unreadable(message, ids, now, &reason)
        }
    };
    let position = placing.map_or_else(|| nowhere(message, envelope.id), |it| it.position);
    Arrival { offset: message.offset(), placing, entry: Entry { position, envelope } }
}

/// The event in a dead letter of a message that was not readable, should this build read it.
pub(crate) fn read_again(payload: &Value) -> Option<Envelope> {
    payload.get(IS_PLACED)?.as_bool().filter(|is_placed| *is_placed)?;
    let raw = BASE64_STANDARD.decode(payload.get(RAW)?.as_str()?).ok()?;
    serde_json::from_slice(&raw).ok()
}

/// The same event as a database can keep it that keeps no NUL. [`read_again`] finds the event itself.
pub(crate) fn without_nul(envelope: &Envelope) -> Envelope {
    let value = serde_json::to_vec(envelope).unwrap_or_default();
    Envelope {
        event_type: short(&envelope.event_type),
        correlation_id: short(&envelope.correlation_id),
        traceparent: short(&envelope.traceparent),
        payload: json!({ IS_PLACED: true, RAW: BASE64_STANDARD.encode(value) }),
        fault: Some("it has NUL characters, so it is kept as it came, in base64".to_owned()),
        ..envelope.clone()
    }
}

/// What is not in the log stands before it, each at a place of its own.
fn nowhere(message: &OwnedMessage, id: Uuid) -> Position {
    let seq = i64::try_from(id.as_u128() >> 65).unwrap_or(i64::MAX);
    Position { txn: -1 - i64::from(message.partition()), seq }
}

fn unreadable(message: &OwnedMessage, ids: &Ids, now: Timestamp, reason: &str) -> Envelope {
    let id = ids.next();
    let key = message.key().map(String::from_utf8_lossy);
    // The key orders events of the log. What is not in it holds back nothing.
    let known_key = key.as_deref().and_then(|key| Uuid::parse_str(key).ok());
    let known_key = known_key.filter(|_| placing(message).is_some());
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    Envelope {
        id: text(message, ID).and_then(|id| id.parse().ok()).unwrap_or(id),
        event_type: text(message, TYPE).unwrap_or_else(|| "unreadable".to_owned()),
        schema_version: 0,
        key: known_key.unwrap_or(id),
        time: now,
        correlation_id: text(message, CORRELATION).unwrap_or_default(),
        causation_id: None,
        traceparent: text(message, TRACE).unwrap_or_default(),
        payload: json!({
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "key": key.map(|key| short(&key)),
            IS_PLACED: placing(message).is_some(),
            RAW: BASE64_STANDARD.encode(message.payload().unwrap_or_default()),
        }),
        fault: Some(format!("message {offset} of {topic}/{partition} is no event: {reason}")),
    }
}

fn placing(message: &OwnedMessage) -> Option<Placing> {
    let position = parse(&text(message, POSITION)?)?;
    let previous = parse(&text(message, PREVIOUS)?)?;
    Some(Placing { position, previous }).filter(|it| it.previous < it.position)
}

fn text(message: &OwnedMessage, key: &str) -> Option<String> {
    let header = message.headers()?.iter().find(|header| header.key == key)?;
    Some(short(std::str::from_utf8(header.value?).ok()?))
}

fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(LONGEST_TEXT).collect()
}

fn write(position: Position) -> String {
    format!("{}.{}", position.txn, position.seq)
}

fn parse(text: &str) -> Option<Position> {
    let (txn, seq) = text.split_once('.')?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    Some(Position { txn: number(txn)?, seq: number(seq)? })
}
