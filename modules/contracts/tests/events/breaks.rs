//! Whether a schema may follow another one within a version. Both directions count: whoever was built
//! with the old one reads what is written from now on, and this build reads what was written before.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What means nothing to whoever reads an event.
const PROSE: [&str; 6] =
    ["$schema", "title", "description", "examples", "default", "x-schema-version"];
/// A value that readers take for all that they do not know. A list of values with it may grow.
const OPEN: &str = "unknown";

/// Why `new` cannot follow `old`, by place.
pub(crate) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, faults: Vec::new(), seen: BTreeSet::new() };
    comparison.schemas("", old, new);
    comparison.faults
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    faults: Vec<String>,
    /// The pairs of definitions that were compared, since schemas may refer to themselves.
    seen: BTreeSet<(String, String)>,
}

impl<'a> Comparison<'a> {
    fn fault(&mut self, place: &str, what: &str) {
        self.faults.push(format!("{} {what}", if place.is_empty() { "/" } else { place }));
    }

    fn schemas(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        if let (Some(from), Some(to)) = (target(old), target(new))
            && !self.seen.insert((from.to_owned(), to.to_owned()))
        {
            return;
        }
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let (Some(was), Some(is)) = (old.as_object(), new.as_object()) else {
            return self.fault(place, "is described by no schema");
        };
        self.fields(place, was, is);
        self.values(place, was, is);
        self.variants(place, was, is);
        if let (Some(was), Some(is)) = (was.get("items"), is.get("items")) {
            self.schemas(&format!("{place}/*"), was, is);
        }
        let known = ["properties", "required", "enum", "oneOf", "items", "definitions"];
        let keywords: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for keyword in keywords {
            let is_looked_at =
                known.contains(&keyword.as_str()) || PROSE.contains(&keyword.as_str());
            let both = was.contains_key(keyword) && is.contains_key(keyword);
            let is_other = if is_looked_at {
                !both && ["enum", "oneOf", "items"].contains(&keyword.as_str())
            } else {
                sorted(was.get(keyword)) != sorted(is.get(keyword))
            };
            if is_other {
                self.fault(place, &format!("has another {keyword}"));
            }
        }
    }

    fn fields(&mut self, place: &str, was: &'a Map<String, Value>, is: &'a Map<String, Value>) {
        let none = Map::new();
        let of = |schema: &'a Map<String, Value>| schema.get("properties")?.as_object();
        for (name, old) in of(was).into_iter().flatten() {
            let place = format!("{place}/{name}");
            match of(is).and_then(|fields| fields.get(name)) {
                Some(new) => self.schemas(&place, old, new),
                None => self.fault(&place, "is gone"),
            }
        }
        let (before, after) = (of(was).unwrap_or(&none).clone(), of(is).unwrap_or(&none).clone());
        let is_closed = was.get("additionalProperties") == Some(&Value::Bool(false));
        for name in after.keys().filter(|name| is_closed && !before.contains_key(*name)) {
            self.fault(&format!("{place}/{name}"), "is new where nothing else was allowed");
        }
        let (demanded, demands) = (names(was, "required"), names(is, "required"));
        for name in demanded.difference(&demands).filter(|name| after.contains_key(**name)) {
            self.fault(&format!("{place}/{name}"), "may be left out now");
        }
        for name in demands.difference(&demanded) {
            self.fault(&format!("{place}/{name}"), "must be there now");
        }
    }

    fn values(&mut self, place: &str, was: &'a Map<String, Value>, is: &'a Map<String, Value>) {
        let (before, after) = (names(was, "enum"), names(is, "enum"));
        for value in before.difference(&after) {
            self.fault(place, &format!("is never {value} any more"));
        }
        let may_grow = before.is_empty() || before.contains(OPEN);
        for value in after.difference(&before).filter(|_| !may_grow) {
            self.fault(place, &format!("may be {value} now, which readers do not expect"));
        }
    }

    fn variants(&mut self, place: &str, was: &'a Map<String, Value>, is: &'a Map<String, Value>) {
        let of = |schema: &'a Map<String, Value>| schema.get("oneOf")?.as_array();
        let (Some(before), Some(after)) = (of(was), of(is)) else { return };
        let named = |root: &'a Value, variants: &'a [Value]| -> Vec<(String, &'a Value)> {
            variants.iter().map(|variant| (name_of(resolved(root, variant)), variant)).collect()
        };
        let (before, after) = (named(self.old, before), named(self.new, after));
        for (name, old) in &before {
            match after.iter().find(|(other, _)| other == name) {
                Some((_, new)) => self.schemas(&format!("{place}({name})"), old, new),
                None => self.fault(place, &format!("is never {name} any more")),
            }
        }
        let may_grow = before.iter().any(|(name, _)| name == OPEN);
        for (name, _) in &after {
            if !may_grow && before.iter().all(|(other, _)| other != name) {
                self.fault(place, &format!("may be {name} now, which readers do not expect"));
            }
        }
    }
}

fn target(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = target(schema).and_then(|target| root.pointer(target.trim_start_matches('#')));
    target.unwrap_or(schema)
}

/// What tells a variant from the others: its tag, or else its type.
fn name_of(variant: &Value) -> String {
    let fields = variant.get("properties").and_then(Value::as_object).into_iter().flatten();
    let tag = |(_, schema): (&String, &Value)| match schema.get("enum")?.as_array()?.as_slice() {
        [Value::String(only)] => Some(only.clone()),
        _ => None,
    };
    let type_name = || variant.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    fields.into_iter().find_map(tag).unwrap_or_else(type_name)
}

fn names<'a>(schema: &'a Map<String, Value>, keyword: &str) -> BTreeSet<&'a str> {
    let values = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).collect()
}

/// Lists of types have no order.
fn sorted(value: Option<&Value>) -> Vec<String> {
    let values = value.map(|value| value.as_array().map_or(std::slice::from_ref(value), |it| it));
    let mut texts: Vec<String> = values.into_iter().flatten().map(Value::to_string).collect();
    texts.sort();
    texts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(properties: &Value, required: &[&str]) -> Value {
        json!({"type": "object", "properties": properties, "required": required})
    }

    #[test]
    fn words_and_fields_that_may_be_left_out_break_nobody() {
        let old = object(&json!({"a": {"type": "string"}}), &["a"]);
        let a = json!({"type": "string", "description": "now explained"});
        let new = object(&json!({"a": a, "b": {"type": "string"}}), &["a"]);
        assert_eq!(breaks(&old, &new), Vec::<String>::new());
    }

    #[test]
    fn a_field_that_is_gone_or_must_or_need_not_be_there_breaks_somebody() {
        let fields = json!({"a": {"type": "string"}, "b": {"type": "string"}});
        let old = object(&fields, &["a"]);
        assert_eq!(
            breaks(&old, &object(&json!({"a": {"type": "string"}}), &["a"])),
            ["/b is gone"]
        );
        assert_eq!(breaks(&old, &object(&fields, &["a", "b"])), ["/b must be there now"]);
        assert_eq!(breaks(&old, &object(&fields, &[])), ["/a may be left out now"]);
    }

    #[test]
    fn another_type_format_or_bound_breaks_somebody() {
        let of = |schema: Value| object(&json!({"a": schema}), &[]);
        let old = of(json!({"type": "string", "format": "uuid"}));
        assert_eq!(breaks(&old, &of(json!({"type": "string"}))), ["/a has another format"]);
        let retyped = of(json!({"type": "integer", "format": "uuid"}));
        assert_eq!(breaks(&old, &retyped), ["/a has another type"]);
        let nullable = of(json!({"type": ["string", "null"], "format": "uuid"}));
        assert_eq!(breaks(&old, &nullable), ["/a has another type"]);
        let old = of(json!({"type": "integer", "maximum": 10}));
        let wider = of(json!({"type": "integer", "maximum": 20}));
        assert_eq!(breaks(&old, &wider), ["/a has another maximum"]);
    }

    #[test]
    fn a_value_that_is_gone_breaks_somebody_and_a_new_one_where_readers_know_no_unknown() {
        let of = |values: &[&str]| json!({"type": "string", "enum": values});
        assert_eq!(breaks(&of(&["a", "b"]), &of(&["a"])), ["/ is never b any more"]);
        let grown = breaks(&of(&["a"]), &of(&["a", "b"]));
        assert_eq!(grown, ["/ may be b now, which readers do not expect"]);
        let open = breaks(&of(&["a", "unknown"]), &of(&["a", "b", "unknown"]));
        assert_eq!(open, Vec::<String>::new());
    }

    #[test]
    fn variants_are_told_apart_by_their_tags() {
        let variant = |tag: &str, more: &Value| {
            let mut fields = json!({"kind": {"type": "string", "enum": [tag]}});
            fields
                .as_object_mut()
                .expect("it is one")
                .extend(more.as_object().cloned().unwrap_or_default());
            object(&fields, &["kind"])
        };
        let (one, two) = (variant("one", &json!({})), variant("two", &json!({})));
        let both = json!({"oneOf": [one, two]});
        assert_eq!(breaks(&both, &json!({"oneOf": [two, one]})), Vec::<String>::new());
        assert_eq!(breaks(&both, &json!({"oneOf": [two]})), ["/ is never one any more"]);
        let retyped = variant("one", &json!({"n": {"type": "string"}}));
        let before = variant("one", &json!({"n": {"type": "integer"}}));
        let found = breaks(&json!({"oneOf": [before]}), &json!({"oneOf": [retyped]}));
        assert_eq!(found, ["(one)/n has another type"]);
        let grown = breaks(&json!({"oneOf": [one]}), &both);
        assert_eq!(grown, ["/ may be two now, which readers do not expect"]);
    }

    #[test]
    fn a_definition_may_have_another_name_but_no_other_shape() {
        let with = |name: &str, definition: Value| {
            let price = json!({"$ref": format!("#/definitions/{name}")});
            let mut schema = object(&json!({"price": price}), &["price"]);
            schema["definitions"] = json!({name: definition});
            schema
        };
        let money = object(&json!({"amount": {"type": "integer"}}), &["amount"]);
        let mut closed = money.clone();
        closed["additionalProperties"] = json!(false);
        assert_eq!(breaks(&with("Money", money.clone()), &with("Price", money.clone())), [""; 0]);
        let more = json!({"amount": {"type": "integer"}, "currency": {"type": "string"}});
        let mut grown = object(&more, &["amount"]);
        assert_eq!(breaks(&with("Money", money), &with("Money", grown.clone())), [""; 0]);
        grown["additionalProperties"] = json!(false);
        let found = breaks(&with("Money", closed), &with("Money", grown));
        assert_eq!(found, ["/price/currency is new where nothing else was allowed"]);
    }

    #[test]
    fn what_the_comparison_does_not_understand_must_stay_as_it_is() {
        let found = breaks(&json!({"type": "string", "pattern": "a"}), &json!({"type": "string"}));
        assert_eq!(found, ["/ has another pattern"]);
    }
}
