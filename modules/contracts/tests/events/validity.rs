//! Whether a value is what a schema says: as much of JSON schema (draft 7) as events use. A keyword
//! that this does not know is a fault, so that nothing passes unlooked-at.

use runtime::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// What is wrong with `value`, by place.
pub(crate) fn invalidities(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    Checker { root: schema }.check("", schema, value, &mut faults);
    faults
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, place: &str, schema: &Value, value: &Value, faults: &mut Vec<String>) {
        let Some(keywords) = schema.as_object() else {
            faults.push(format!("{place}: {schema} is no schema"));
            return;
        };
        if let Some(target) = keywords.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(target.trim_start_matches('#'));
            return self.check(place, target.unwrap_or(&Value::Null), value, faults);
        }
        for (keyword, rule) in keywords {
            self.keep(place, (keyword, rule), schema, value, faults);
        }
    }

    fn keep(
        &self,
        place: &str,
        (keyword, rule): (&str, &Value),
        schema: &Value,
        value: &Value,
        faults: &mut Vec<String>,
    ) {
        let is_kept = match keyword {
            "$schema" | "title" | "description" | "examples" | "definitions" | "default"
            | "x-schema-version" => true,
            "type" => {
                let types = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
                types.iter().any(|name| is_of(name, value))
            }
            "enum" => rule.as_array().is_some_and(|values| values.contains(value)),
            "format" => has_format(rule, value),
            "minimum" => value.as_f64() >= rule.as_f64(),
            "maximum" => value.as_f64() <= rule.as_f64(),
            "minLength" => length(value) >= rule.as_u64(),
            "maxLength" => length(value) <= rule.as_u64(),
            "required" => {
                let names = rule.as_array().into_iter().flatten();
                let missing =
                    names.filter_map(Value::as_str).find(|name| value.get(name).is_none());
                missing.is_none()
            }
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        self.check(&format!("{place}/{name}"), schema, value, faults);
                    }
                }
                true
            }
            "additionalProperties" => {
                let names = value.as_object().into_iter().flat_map(|fields| fields.keys());
                let is_known = |name: &String| schema["properties"].get(name).is_some();
                rule != &Value::Bool(false) || names.into_iter().all(is_known)
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(&format!("{place}/{at}"), rule, item, faults);
                }
                true
            }
            "oneOf" => self.matching(rule, value) == 1,
            "anyOf" => self.matching(rule, value) >= 1,
            "allOf" => Some(self.matching(rule, value)) == rule.as_array().map(Vec::len),
            _ => false,
        };
        if !is_kept {
            faults.push(format!("{place}: is {value}, against {keyword} {rule}"));
        }
    }

    fn matching(&self, schemas: &Value, value: &Value) -> usize {
        let fits = |schema: &&Value| {
            let mut faults = Vec::new();
            self.check("", schema, value, &mut faults);
            faults.is_empty()
        };
        schemas.as_array().into_iter().flatten().filter(fits).count()
    }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

fn has_format(format: &Value, value: &Value) -> bool {
    match (format.as_str(), value) {
        (Some("uuid"), Value::String(text)) => text.parse::<Uuid>().is_ok(),
        (Some("date-time"), Value::String(text)) => text.parse::<Timestamp>().is_ok(),
        (Some("int32"), Value::Number(number)) => {
            number.as_i64().is_some_and(|number| u32::try_from(number).is_ok())
        }
        (Some("int64"), Value::Number(number)) => number.is_i64(),
        (_, Value::Null) => true,
        _ => false,
    }
}

fn length(value: &Value) -> Option<u64> {
    u64::try_from(value.as_str()?.chars().count()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_schema_does_not_allow_is_found_at_its_place() {
        let schema = json!({
            "type": "object",
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "items": {"type": "array", "items": {"$ref": "#/definitions/Item"}},
                "note": {"type": ["string", "null"], "maxLength": 3},
            },
            "required": ["id"],
            "additionalProperties": false,
            "definitions": {"Item": {"type": "integer", "minimum": 0}},
        });
        let faults = |value: Value| -> Vec<String> {
            let places = invalidities(&schema, &value);
            places.iter().filter_map(|it| Some(it.split_once(':')?.0.to_owned())).collect()
        };
        let id = "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003";
        assert_eq!(faults(json!({"id": id, "items": [1, 2], "note": null})), [""; 0]);
        assert_eq!(faults(json!({"id": "nobody", "items": [1, -2]})), ["/id", "/items/1"]);
        assert_eq!(faults(json!({"note": "long"})), ["/note", ""]);
        assert_eq!(faults(json!({"id": id, "more": 1})), [""]);
    }

    #[test]
    fn a_keyword_that_is_not_known_lets_nothing_pass() {
        assert_eq!(invalidities(&json!({"pattern": "a"}), &json!("a")).len(), 1);
    }
}
