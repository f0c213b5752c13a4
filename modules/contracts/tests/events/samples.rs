//! Whatever was ever written can be read today, and is what its schema says.

use std::collections::BTreeSet;

use contracts::{
    catalog::CatalogEvent, events, identity::IdentityEvent, orders::OrderEvent,
    payments::PaymentEvent, tickets::TicketEvent,
};
use runtime::{FIRST_EVENT_VERSION, IntegrationEvents};
use serde_json::{Value, json};

use crate::{
    shelf::{self, Sample},
    validity::invalidities,
};

/// The event as this build would write it.
fn read<E: IntegrationEvents>(sample: &Sample) -> Option<Value> {
    let publisher = sample.name.split('.').next()?;
    (publisher == E::PUBLISHER).then(|| {
        let event = E::read(&sample.name, sample.version, &sample.payload);
        let event = event.unwrap_or_else(|error| panic!("{}: {error}", sample.file));
        json!(event)
    })
}

fn read_any(sample: &Sample) -> Value {
    read::<CatalogEvent>(sample)
        .or_else(|| read::<IdentityEvent>(sample))
        .or_else(|| read::<OrderEvent>(sample))
        .or_else(|| read::<PaymentEvent>(sample))
        .or_else(|| read::<TicketEvent>(sample))
        .unwrap_or_else(|| panic!("{} is of a publisher that this test does not know", sample.file))
}

fn assert_valid(what: &str, name: &str, version: u16, payload: &Value) {
    let schema = shelf::schema(name, version).unwrap_or_else(|| panic!("no schema of {what}"));
    let faults = invalidities(&schema, payload);
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

#[test]
fn there_is_a_sample_of_every_version_of_every_event() {
    let samples = shelf::samples();
    let there: BTreeSet<(&str, u16)> =
        samples.iter().map(|sample| (sample.name.as_str(), sample.version)).collect();
    for event in events::describe() {
        for version in FIRST_EVENT_VERSION..=event.version {
            let is_there = there.contains(&(event.name.as_str(), version));
            assert!(is_there, "docs/events/samples/{}.v{version}.json is missing", event.name);
        }
    }
}

#[test]
fn every_sample_is_what_the_schema_of_its_version_says() {
    for sample in shelf::samples() {
        assert_valid(&sample.file, &sample.name, sample.version, &sample.payload);
    }
}

#[test]
fn every_sample_is_read_and_written_anew_in_the_present_version() {
    for sample in shelf::samples() {
        let now = read_any(&sample);
        let tag = sample.name.split('.').nth(1).expect("names have two parts");
        assert_eq!(now["type"], tag, "{} is read as something else", sample.file);
        let version = present(&sample.name);
        assert_valid(&sample.file, &sample.name, version, &now);
        if version == sample.version {
            let lost = lost("", &sample.payload, &now);
            assert!(lost.is_empty(), "{} loses {}", sample.file, lost.join(", "));
        }
    }
}

fn present(name: &str) -> u16 {
    let events = events::describe();
    events.iter().find(|event| event.name == name).map_or(0, |event| event.version)
}

/// What of `then` is not in `now` any more.
fn lost(place: &str, then: &Value, now: &Value) -> Vec<String> {
    match (then, now) {
        (Value::Object(fields), Value::Object(others)) => fields
            .iter()
            .flat_map(|(key, was)| {
                let place = format!("{place}/{key}");
                others.get(key).map_or_else(|| vec![place.clone()], |is| lost(&place, was, is))
            })
            .collect(),
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            let pairs = items.iter().zip(others).enumerate();
            pairs.flat_map(|(at, (was, is))| lost(&format!("{place}/{at}"), was, is)).collect()
        }
        (was, is) if was == is => Vec::new(),
        _ => vec![place.to_owned()],
    }
}
