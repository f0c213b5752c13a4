//! Events as data: what `docs/events` is made of and what the compatibility of contracts is checked
//! by.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::IntegrationEvents;

const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/definitions/";

/// One event, in the version in which this build writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDescription {
    /// The service that publishes it.
    pub publisher: &'static str,
    /// Its full name, such as `orders.order_confirmed`.
    pub name: String,
    /// The version of its schema.
    pub version: u16,
    /// When it is told and what it means.
    pub about: String,
    /// The JSON schema (draft 7) of what it holds, complete in itself.
    pub schema: Value,
}

/// The events of `E`, in the order of their names' list. One that has no variant is left out.
pub fn describe_events<E: IntegrationEvents>() -> Vec<EventDescription> {
    let whole = describe_schema::<E>();
    let definitions = definitions_of(&whole);
    let variants = whole.get("oneOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let describe = |name: &&'static str| {
        let tag = name.strip_prefix(E::PUBLISHER)?.strip_prefix('.')?;
        let is_it = |variant: &&Value| {
            variant.pointer("/properties/type/enum/0").and_then(Value::as_str) == Some(tag)
        };
        let variant = variants.iter().find(is_it)?.clone();
        let about =
            variant.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = E::version(name);
        let schema = complete(variant, &definitions);
        let name = (*name).to_owned();
        Some(EventDescription { publisher: E::PUBLISHER, name, version, about, schema })
    };
    E::NAMES.iter().filter_map(describe).collect()
}

/// The JSON schema (draft 7) of `T`, complete in itself.
pub fn describe_schema<T: ToSchema>() -> Value {
    let mut referenced: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut referenced);
    let definitions = referenced
        .into_iter()
        .map(|(name, schema)| (name, json(&schema)))
        .collect::<BTreeMap<String, Value>>();
    complete(json(&T::schema()), &definitions)
}

fn json(schema: &RefOr<Schema>) -> Value {
    let mut schema = serde_json::to_value(schema).unwrap_or(Value::Null);
    as_draft_7(&mut schema);
    schema
}

/// Schemas of other things stand under `definitions`, and examples are a list.
fn as_draft_7(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::String(target)) = fields.get_mut("$ref")
        && let Some(name) = target.strip_prefix(COMPONENTS)
    {
        *target = format!("{DEFINITIONS}{name}");
    }
    if let Some(example) = fields.remove("example") {
        fields.insert("examples".to_owned(), json!([example]));
    }
    for (keyword, value) in fields {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(schemas)) => schemas.values_mut().for_each(as_draft_7),
            ("oneOf" | "anyOf" | "allOf", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(as_draft_7);
            }
            ("items" | "additionalProperties", schema) => as_draft_7(schema),
            _ => {}
        }
    }
}

fn definitions_of(schema: &Value) -> BTreeMap<String, Value> {
    let definitions = schema.get("definitions").and_then(Value::as_object);
    let entries = definitions.into_iter().flatten();
    entries.map(|(name, definition)| (name.clone(), definition.clone())).collect()
}

/// The schema with those of the definitions that it needs.
fn complete(mut schema: Value, definitions: &BTreeMap<String, Value>) -> Value {
    let mut needed = Map::new();
    gather(&schema, definitions, &mut needed);
    if let Some(fields) = schema.as_object_mut()
        && !needed.is_empty()
    {
        fields.insert("definitions".to_owned(), Value::Object(needed));
    }
    schema
}

fn gather(schema: &Value, definitions: &BTreeMap<String, Value>, needed: &mut Map<String, Value>) {
    match schema {
        Value::Object(fields) => {
            let target = fields.get("$ref").and_then(Value::as_str);
            let name = target.and_then(|target| target.strip_prefix(DEFINITIONS));
            if let Some(name) = name
                && !needed.contains_key(name)
                && let Some(definition) = definitions.get(name)
            {
                needed.insert(name.to_owned(), definition.clone());
                gather(definition, definitions, needed);
            }
            fields.values().for_each(|value| gather(value, definitions, needed));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, definitions, needed)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use uuid::Uuid;

    use super::*;

    #[derive(Clone, Serialize, Deserialize, ToSchema)]
    struct Sheet {
        pages: u32,
    }

    #[derive(Clone, Serialize, Deserialize, ToSchema)]
    struct Ink {
        black: bool,
    }

    #[derive(Clone, Serialize, Deserialize, ToSchema)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum PressEvent {
        /// Something was printed.
        Printed { sheets: Vec<Sheet> },
        /// The ink was changed.
        Refilled { ink: Ink },
        #[serde(other)]
        Unknown,
    }

    impl IntegrationEvents for PressEvent {
        const PUBLISHER: &'static str = "press";
        const NAMES: &'static [&'static str] = &["press.printed", "press.refilled"];

        fn key(&self) -> Uuid {
            Uuid::nil()
        }
    }

    #[test]
    fn each_event_is_described_with_what_it_needs_and_no_more() {
        let events = describe_events::<PressEvent>();
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, PressEvent::NAMES);
        let printed = &events[0];
        assert_eq!((printed.version, printed.about.as_str()), (1, "Something was printed."));
        let sheets = printed.schema.pointer("/properties/sheets/items/$ref");
        assert_eq!(sheets, Some(&json!("#/definitions/Sheet")));
        let definitions: Vec<String> = printed.schema["definitions"]
            .as_object()
            .expect("it has some")
            .keys()
            .cloned()
            .collect();
        assert_eq!(definitions, ["Sheet"]);
    }
}
