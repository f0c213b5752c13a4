//! Events as messages: the value is the envelope, headers repeat what tools and consumers want to
//! know without looking into it.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::{Engine, prelude::BASE64_STANDARD};
use rdkafka::{
    Message,
    message::{Header, Headers, OwnedHeaders, OwnedMessage},
};
use runtime::{Ids, Timestamp};
use serde_json::{Value, json};
use store::{Position, partition_of};
use uuid::Uuid;

use super::chain::Placing;
use crate::{Entry, Envelope};

const LOG: &str = "log";
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
    /// `None`: it is foreign, for the publisher's relay has not published it.
    pub(crate) placing: Option<Placing>,
    pub(crate) entry: Entry,
}

/// What a reader knows of the topic.
pub(super) struct Reader<'a> {
    /// The log of which it is a copy; `None` while there was nothing of any.
    pub(super) log: Option<Uuid>,
    /// How many partitions it has.
    pub(super) partitions: u32,
    pub(super) ids: &'a Ids,
    pub(super) now: Timestamp,
}

/// The headers of an event. `producer` names the service and its version.
pub(super) fn headers(
    envelope: &Envelope,
    log: Uuid,
    placing: Placing,
    producer: &str,
) -> OwnedHeaders {
    let texts = [
        (TYPE, envelope.event_type.clone()),
        ("schema_version", envelope.schema_version.to_string()),
        ("producer", producer.to_owned()),
        (TRACE, envelope.traceparent.clone()),
        (CORRELATION, envelope.correlation_id.clone()),
        (ID, envelope.id.to_string()),
        (LOG, log.to_string()),
        (POSITION, write(placing.position)),
        (PREVIOUS, write(placing.previous)),
    ];
    texts.iter().fold(OwnedHeaders::new_with_capacity(texts.len()), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_str()) })
    })
}

/// The log that a message says it is from, if a relay can have published it.
pub(super) fn log_of(message: &OwnedMessage, partitions: u32) -> Option<Uuid> {
    origin(message, partitions).ok().map(|(log, _)| log)
}

impl Reader<'_> {
    /// What a message holds. One that is no event becomes an event with a fault, whose payload has
    /// what arrived.
    pub(super) fn read(&self, message: &OwnedMessage) -> Arrival {
        let value = message.payload().unwrap_or_default();
        let envelope = serde_json::from_slice::<Envelope>(value).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("its value is no envelope (line {line}, column {column})")
        });
        let (placing, envelope) = match (self.placing(message), envelope) {
            // What no relay of the publisher's has published is not to be taken for its event.
            (Err(reason), _) => return self.foreign(message, &reason),
            (Ok(_), Ok(envelope)) if Some(envelope.key) != key(message) => {
                return self.foreign(message, "its key is not that of its event");
            }
            (Ok(placing), Ok(envelope)) => (placing, envelope),
            (Ok(placing), Err(reason)) => {
                (placing, self.unreadable(message, &reason, key(message)))
            }
        };
        let entry = Entry { position: placing.position, envelope };
        Arrival { offset: message.offset(), placing: Some(placing), entry }
    }

    fn placing(&self, message: &OwnedMessage) -> Result<Placing, String> {
        let (log, placing) = origin(message, self.partitions)?;
        if self.log == Some(log) {
            return Ok(placing);
        }
        let known = self.log.map_or_else(|| "unknown".to_owned(), |log| log.to_string());
        Err(format!("it is from the log {log}, and the topic is a copy of {known}"))
    }

    fn foreign(&self, message: &OwnedMessage, reason: &str) -> Arrival {
        let envelope = self.unreadable(message, reason, None);
        let entry = Entry { position: nowhere(message), envelope };
        Arrival { offset: message.offset(), placing: None, entry }
    }

    /// The key orders events of the log; `None` for what is not in it, which holds back nothing.
    fn unreadable(&self, message: &OwnedMessage, reason: &str, placed: Option<Uuid>) -> Envelope {
        let id = self.ids.next();
        let told_key = message.key().map(String::from_utf8_lossy);
        let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
        Envelope {
            id,
            event_type: text(message, TYPE).unwrap_or_else(|| "unreadable".to_owned()),
            schema_version: 0,
            key: placed.unwrap_or(id),
            time: self.now,
            correlation_id: text(message, CORRELATION).unwrap_or_default(),
            causation_id: None,
            traceparent: text(message, TRACE).unwrap_or_default(),
            payload: json!({
                "topic": topic,
                "partition": partition,
                "offset": offset,
                "id": text(message, ID),
                "key": told_key.map(|key| short(&key)),
                IS_PLACED: placed.is_some(),
                RAW: BASE64_STANDARD.encode(message.payload().unwrap_or_default()),
            }),
            fault: Some(format!("message {offset} of {topic}/{partition} is no event: {reason}")),
        }
    }
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

/// What is not in the log stands before it, each message at a place of its own, which is the same
/// whenever it is read.
fn nowhere(message: &OwnedMessage) -> Position {
    let mut hasher = DefaultHasher::new();
    let (topic, offset) = (message.topic(), message.offset());
    let made_at = message.timestamp().to_millis();
    (topic, offset, made_at, message.key(), message.payload()).hash(&mut hasher);
    let seq = i64::try_from(hasher.finish() >> 1).unwrap_or(i64::MAX);
    Position { txn: -1 - i64::from(message.partition()), seq }
}

/// Which log a message says it is from, and where it stands in it.
fn origin(message: &OwnedMessage, partitions: u32) -> Result<(Uuid, Placing), &'static str> {
    let placing = placing(message).ok_or("it does not say where in the log it stands")?;
    let log = text(message, LOG).and_then(|log| log.parse().ok());
    let log = log.ok_or("it does not say which log it is from")?;
    let partition = key(message).map(|key| partition_of(key, partitions));
    if partition != u32::try_from(message.partition()).ok() {
        return Err("its key belongs into another partition");
    }
    Ok((log, placing))
}

fn key(message: &OwnedMessage) -> Option<Uuid> {
    Uuid::parse_str(std::str::from_utf8(message.key()?).ok()?).ok()
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
