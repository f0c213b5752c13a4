//! Contracts only grow. The JSON schema of every contract is checked in under `schemas/`; a change
//! that an older caller or callee would trip over fails here, and so does one that is harmless but
//! was not written down. Events are looked at in `events/`.
//!
//! After a change that only adds, run with `UPDATE_SCHEMAS=1` and commit what it wrote.

use std::{fs, path::PathBuf};

use contracts::{
    catalog::Catalog, identity::Identity, inventory::Inventory, orders::Orders, payments::Payments,
    tickets::Tickets,
};
use runtime::Contract;
use serde_json::{Value, json};

fn contract<C: Contract + ?Sized>() -> (String, Value) {
    let described = serde_json::to_value(C::describe()).expect("a description serialises");
    (format!("{}.json", C::SERVICE), described)
}

fn present() -> Vec<(String, Value)> {
    vec![
        contract::<dyn Catalog>(),
        contract::<dyn Identity>(),
        contract::<dyn Inventory>(),
        contract::<dyn Orders>(),
        contract::<dyn Payments>(),
        contract::<dyn Tickets>(),
    ]
}

fn checked_in(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name)
}

/// What `new` takes away from `old`, or demands beyond it, by JSON pointer: whoever was built
/// against `old` would trip over each.
fn breaks(pointer: &str, old: &Value, new: &Value, faults: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, was) in before {
                let place = format!("{pointer}/{key}");
                match after.get(key) {
                    Some(is) => breaks(&place, was, is, faults),
                    None if is_prose(key) => {}
                    None => faults.push(format!("{place} is gone")),
                }
            }
            if let (None, Some(demanded)) = (before.get("required"), after.get("required")) {
                faults.push(format!("{pointer}/required now demands {demanded}"));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            let is_demand = pointer.ends_with("/required");
            for was in before.iter().filter(|was| !has_like(after, was, pointer, is_demand)) {
                faults.push(format!("{pointer} no longer has {was}"));
            }
            let news = after.iter().filter(|is| is_demand && !before.contains(is));
            faults.extend(news.map(|is| format!("{pointer} now demands {is}")));
        }
        (was, is) if was == is || pointer.rsplit('/').next().is_some_and(is_prose) => {}
        (was, is) => faults.push(format!("{pointer} was {was} and is {is}")),
    }
}

/// Whether a list still has what it had: the same thing, or one that has only grown.
fn has_like(after: &[Value], was: &Value, pointer: &str, is_demand: bool) -> bool {
    after.iter().any(|is| {
        let mut faults = Vec::new();
        breaks(pointer, was, is, &mut faults);
        if is_demand { was == is } else { faults.is_empty() }
    })
}

fn is_prose(key: &str) -> bool {
    ["description", "about", "example", "title"].contains(&key)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether to write")]
fn contracts_are_as_checked_in_and_break_nobody() {
    let is_update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut faults = Vec::new();
    for (name, schema) in present() {
        let path = checked_in(&name);
        let text = serde_json::to_string_pretty(&schema).expect("a schema serialises") + "\n";
        let Ok(before) = fs::read_to_string(&path) else {
            assert!(is_update, "{name} is not checked in: run with UPDATE_SCHEMAS=1");
            fs::write(&path, text).expect("the schema is written");
            continue;
        };
        let old: Value = serde_json::from_str(&before).expect("what is checked in is JSON");
        let mut broken = Vec::new();
        breaks("", &old, &schema, &mut broken);
        if broken.is_empty() && is_update {
            fs::write(&path, text).expect("the schema is written");
        } else if broken.is_empty() && before != text {
            faults.push(format!("{name} has grown: run with UPDATE_SCHEMAS=1 and commit it"));
        }
        faults.extend(broken.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    breaks("", old, new, &mut faults);
    faults
}

#[test]
fn a_field_that_may_be_left_out_is_no_break() {
    let old = json!({"properties": {"a": {"type": "string"}}, "required": ["a"]});
    let new = json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]});
    assert_eq!(broken(&old, &new), Vec::<String>::new());
}

#[test]
fn a_variant_more_is_no_break() {
    let old = json!({"oneOf": [{"const": "a"}]});
    let new = json!({"oneOf": [{"const": "b"}, {"const": "a", "description": "now explained"}]});
    assert_eq!(broken(&old, &new), Vec::<String>::new());
}

#[test]
fn a_field_that_must_be_there_is_a_break() {
    let old = json!({"properties": {}, "required": ["a"]});
    let new = json!({"properties": {}, "required": ["a", "b"]});
    assert_eq!(broken(&old, &new), [r#"/required now demands "b""#]);
}

#[test]
fn a_field_a_variant_or_a_method_that_is_gone_is_a_break() {
    let field = broken(&json!({"properties": {"a": {}}}), &json!({"properties": {}}));
    assert_eq!(field, ["/properties/a is gone"]);
    let variant = broken(
        &json!({"oneOf": [{"const": "a"}, {"const": "b"}]}),
        &json!({"oneOf": [{"const": "a"}]}),
    );
    assert_eq!(variant, [r#"/oneOf no longer has {"const":"b"}"#]);
}

#[test]
fn another_type_is_a_break() {
    assert_eq!(
        broken(&json!({"type": "string"}), &json!({"type": "integer"})),
        [r#"/type was "string" and is "integer""#]
    );
}
