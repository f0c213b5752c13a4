//! The document itself.

use std::{collections::BTreeMap, fs};

use bus::Envelope;
use contracts::events;
use runtime::{FIRST_EVENT_VERSION, Module, describe_schema};
use serde_json::{Map, Value, json};

/// One event in one version.
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) version: u16,
    pub(crate) is_present: bool,
    channel: String,
    about: String,
    schema: String,
}

/// How a message is called in the document.
pub(crate) fn written(name: &str, version: u16) -> String {
    format!("{name}.v{version}")
}

/// All events in all versions, and the trails.
pub(crate) fn messages() -> Vec<Message> {
    let mut messages = Vec::new();
    for event in events::describe() {
        for version in FIRST_EVENT_VERSION..=event.version {
            messages.push(Message {
                version,
                is_present: version == event.version,
                channel: event.publisher.to_owned(),
                about: event.about.clone(),
                schema: format!("schemas/{}.v{version}.json", event.name),
                name: event.name.clone(),
            });
        }
    }
    let trails = boxoffice::registry::MODULES.iter().flat_map(|module| module.publishes);
    for name in trails.filter(|name| is_trail(name)) {
        messages.push(Message {
            name: (*name).to_owned(),
            version: FIRST_EVENT_VERSION,
            is_present: true,
            channel: (*name).to_owned(),
            about: "Something changed in the service.".to_owned(),
            schema: "schemas/audit.v1.json".to_owned(),
        });
    }
    messages
}

/// What a trail tells of each change.
pub(crate) fn trail_schema() -> Value {
    let mut schema = bus::audit_schema();
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("audit");
    schema["x-schema-version"] = json!(FIRST_EVENT_VERSION);
    schema
}

pub(crate) fn document(modules: &[&Module]) -> Value {
    let messages = messages();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Boxoffice: events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What services tell each other after the fact. The rules are in docs/events/README.md.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": { "brokers": {
            "host": "{broker}",
            "protocol": "kafka",
            "description": "Kafka, or what speaks its protocol, with bus.kind = \"kafka\". Without brokers consumers ask the publishers' feeds for the same messages.",
            "variables": { "broker": {
                "default": "localhost:9092",
                "description": "One of bus.kafka.brokers.",
            } },
        } },
        "channels": channels(&messages),
        "operations": operations(modules, &messages),
        "components": {
            "messages": messages.iter().map(described).collect::<Map<String, Value>>(),
            "parameters": { "prefix": {
                "default": "boxoffice",
                "description": "bus.kafka.topic_prefix.",
            } },
            "schemas": {
                "Envelope": describe_schema::<Envelope>(),
                "Headers": headers(),
            },
        },
    })
}

fn channels(messages: &[Message]) -> BTreeMap<&str, Value> {
    let mut channels: BTreeMap<&str, Value> = BTreeMap::new();
    for message in messages {
        let (channel, name) = (message.channel.as_str(), written(&message.name, message.version));
        let entry = channels.entry(channel).or_insert_with(|| {
            let about = match channel.strip_suffix(".audit") {
                Some(service) => format!("The trail of what changes in {service}."),
                None => format!("What {channel} tells others."),
            };
            json!({
                "address": format!("{{prefix}}.{channel}"),
                "description": about,
                "parameters": { "prefix": { "$ref": "#/components/parameters/prefix" } },
                "messages": {},
            })
        });
        entry["messages"][&name] = json!({ "$ref": format!("#/components/messages/{name}") });
    }
    channels
}

/// Each publisher sends what it writes today; each consumer receives every version of what it asks
/// for.
fn operations(modules: &[&Module], messages: &[Message]) -> BTreeMap<String, Value> {
    let mut operations = BTreeMap::new();
    for module in modules {
        for (channel, wanted) in by_channel(messages, module.publishes, true) {
            let summary = format!("{} tells what happened.", module.name);
            operations
                .insert(format!("{channel}.send"), operation("send", channel, &summary, &wanted));
        }
        for (channel, wanted) in by_channel(messages, module.consumes, false) {
            let summary = format!("{} reacts to what {channel} tells.", module.name);
            let name = format!("{}.receive.{channel}", module.name);
            operations.insert(name, operation("receive", channel, &summary, &wanted));
        }
    }
    operations
}

fn by_channel<'a>(
    messages: &'a [Message],
    names: &[&str],
    is_present_only: bool,
) -> BTreeMap<&'a str, Vec<&'a Message>> {
    let mut channels: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    let is_wanted =
        |it: &&Message| names.contains(&it.name.as_str()) && (it.is_present || !is_present_only);
    for message in messages.iter().filter(is_wanted) {
        channels.entry(&message.channel).or_default().push(message);
    }
    channels
}

fn operation(action: &str, channel: &str, summary: &str, messages: &[&Message]) -> Value {
    let reference = |message: &&Message| {
        let name = written(&message.name, message.version);
        json!({ "$ref": format!("#/channels/{channel}/messages/{name}") })
    };
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
        "messages": messages.iter().map(reference).collect::<Vec<Value>>(),
    })
}

/// Whether the name is that of a service's trail: `orders.audit`.
pub fn is_trail(name: &str) -> bool {
    name.rsplit('.').next() == Some("audit")
}

fn described(message: &Message) -> (String, Value) {
    let name = written(&message.name, message.version);
    let about = if message.is_present {
        message.about.clone()
    } else {
        format!("{} Written no more; may still be in topics.", message.about)
    };
    let mut description = json!({
        "name": message.name,
        "title": format!("{}, version {}", message.name, message.version),
        "description": about,
        "headers": { "$ref": "#/components/schemas/Headers" },
        "payload": {
            "allOf": [
                { "$ref": "#/components/schemas/Envelope" },
                { "type": "object", "properties": {
                    "type": { "const": message.name },
                    "schema_version": { "const": message.version },
                    "payload": { "anyOf": [
                        { "$ref": message.schema },
                        { "type": "null", "description": "Of an event with a fault." },
                    ] },
                } },
            ],
        },
        "bindings": { "kafka": {
            "key": {
                "type": "string",
                "format": "uuid",
                "description": "The envelope's `key`: what the event is about.",
            },
            "bindingVersion": "0.5.0",
        } },
    });
    if let Some(sample) = sample(&name) {
        description["examples"] = json!([{ "name": "sample", "payload": sample }]);
    }
    (name, description)
}

/// One of the messages that were written so.
fn sample(name: &str) -> Option<Value> {
    let folder = super::folder().join("samples");
    let candidates = ["", ".full", ".first", ".partial", ".exit", ".buyer"];
    let read = |kind: &&str| fs::read_to_string(folder.join(format!("{name}{kind}.json"))).ok();
    serde_json::from_str(&candidates.iter().find_map(read)?).ok()
}

/// What stands beside a message in Kafka. Without a broker there is the envelope alone.
fn headers() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "properties": {
            "id": text("As in the envelope."),
            "type": text("As in the envelope."),
            "schema_version": text("As in the envelope, in digits."),
            "correlation_id": text("As in the envelope."),
            "traceparent": text("As in the envelope."),
            "producer": text("The service that published it, and its version."),
            "log": text("By what the publisher's log is known. What comes with another is not from this publisher."),
            "position": text("Where the event stands in the publisher's log: `<transaction>.<sequence>`."),
            "previous": text("Where the event before it in the partition does. Whoever has not seen that one has missed something."),
        },
        "required": [
            "id",
            "type",
            "schema_version",
            "correlation_id",
            "traceparent",
            "producer",
            "log",
            "position",
            "previous",
        ],
    })
}
