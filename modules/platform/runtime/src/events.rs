//! What services tell each other after the fact: what an integration event is, in which version it
//! is written, how those of older versions are read, and its description for `docs/events`. How it
//! travels is the bus' matter.

mod description;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::description::{EventDescription, describe_events, describe_schema};

/// The version that the schema of every event begins with.
pub const FIRST_EVENT_VERSION: u16 = 1;

/// The integration events of one service: an enum in the contracts crate, tagged by `type`, with a
/// last `#[serde(other)]` variant for what a newer publisher says and this build does not know.
///
/// Each event has a version of its own. Fields that may be left out are added without another
/// version; whatever a consumer of the present one would trip over is another version, and
/// [`IntegrationEvents::upcast`] makes the present one of what was written before.
pub trait IntegrationEvents:
    Serialize + DeserializeOwned + ToSchema + Clone + Send + Sync + 'static
{
    /// The name of the service that publishes these.
    const PUBLISHER: &'static str;

    /// The full name of each event, such as `orders.order_confirmed`.
    const NAMES: &'static [&'static str];

    /// The aggregate the event is about. Events with one key are delivered in their order.
    fn key(&self) -> Uuid;

    /// The version in which this build writes the event `name`, from 1 on.
    fn version(name: &str) -> u16 {
        let _ = name;
        FIRST_EVENT_VERSION
    }

    /// Turns the JSON of the event `name` as `version` has it into what the next version has. Pure,
    /// and never fails: what is none of that version stays as it is, and cannot be read then.
    fn upcast(name: &str, version: u16, payload: Value) -> Value {
        let _ = (name, version);
        payload
    }

    /// Reads the event `name` as `version` has it, whichever version this build writes.
    ///
    /// # Errors
    /// Why this build cannot read it. Names the event and quotes nothing of it.
    fn read(name: &str, version: u16, payload: &Value) -> Result<Self, UnreadableEvent> {
        let known = Self::version(name);
        if version > known {
            return Err(UnreadableEvent::Newer { name: name.to_owned(), version, known });
        }
        let malformed = || UnreadableEvent::Malformed { name: name.to_owned(), version };
        if version < FIRST_EVENT_VERSION {
            return Err(malformed());
        }
        let read = if version == known {
            Self::deserialize(payload)
        } else {
            let step = |payload, version| Self::upcast(name, version, payload);
            Self::deserialize((version..known).fold(payload.clone(), step))
        };
        read.map_err(|_quotes_the_value| malformed())
    }
}

/// Why an event cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEvent {
    /// A newer publisher wrote it.
    #[error(
        "{name} has version {version}, and this build reads versions up to {known}; update this \
         service, then retry the event"
    )]
    Newer {
        /// The event's full name.
        name: String,
        /// The version it was written in.
        version: u16,
        /// The latest version that this build knows.
        known: u16,
    },
    /// It is not what its name and version say.
    #[error("this build cannot read {name} of version {version}: it does not have that shape")]
    Malformed {
        /// The event's full name.
        name: String,
        /// The version that it is said to have.
        version: u16,
    },
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// The price was a number of cents, then cents with a currency, then an object.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum ShopEvent {
        Sold {
            price: Price,
        },
        Closed,
        #[serde(other)]
        Unknown,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
    struct Price {
        cents: i64,
        currency: String,
    }

    impl IntegrationEvents for ShopEvent {
        const PUBLISHER: &'static str = "shop";
        const NAMES: &'static [&'static str] = &["shop.sold", "shop.closed"];

        fn key(&self) -> Uuid {
            Uuid::nil()
        }

        fn version(name: &str) -> u16 {
            if name == "shop.sold" { 3 } else { FIRST_EVENT_VERSION }
        }

        fn upcast(name: &str, version: u16, mut payload: Value) -> Value {
            let Some(fields) = payload.as_object_mut() else { return payload };
            match (name, version) {
                ("shop.sold", 1) => {
                    fields.insert("currency".to_owned(), json!("EUR"));
                }
                ("shop.sold", 2) => {
                    let (cents, currency) = (fields.remove("cents"), fields.remove("currency"));
                    fields
                        .insert("price".to_owned(), json!({"cents": cents, "currency": currency}));
                }
                _ => {}
            }
            payload
        }
    }

    fn sold() -> ShopEvent {
        ShopEvent::Sold { price: Price { cents: 5, currency: "EUR".to_owned() } }
    }

    #[test]
    fn an_event_of_any_version_so_far_is_read_as_the_present_one() {
        let read = |version, payload: Value| ShopEvent::read("shop.sold", version, &payload);
        assert_eq!(read(1, json!({"type": "sold", "cents": 5})), Ok(sold()));
        let second = json!({"type": "sold", "cents": 5, "currency": "EUR"});
        assert_eq!(read(2, second), Ok(sold()));
        assert_eq!(read(3, json!(sold())), Ok(sold()));
        assert_eq!(
            ShopEvent::read("shop.closed", 1, &json!({"type": "closed"})),
            Ok(ShopEvent::Closed)
        );
    }

    #[test]
    fn an_event_of_a_newer_version_is_not_read() {
        let newer = ShopEvent::read("shop.sold", 4, &json!(sold())).expect_err("not known yet");
        assert_eq!(
            newer.to_string(),
            "shop.sold has version 4, and this build reads versions up to 3; update this service, \
             then retry the event"
        );
        assert!(ShopEvent::read("shop.closed", 2, &json!({"type": "closed"})).is_err());
    }

    #[test]
    fn what_is_not_of_the_shape_of_its_version_is_not_read() {
        let malformed = |version, payload: Value| {
            let unreadable = ShopEvent::read("shop.sold", version, &payload);
            let name = "shop.sold".to_owned();
            assert_eq!(unreadable, Err(UnreadableEvent::Malformed { name, version }));
        };
        malformed(0, json!(sold()));
        malformed(1, json!("secret"));
        malformed(1, json!({"type": "sold", "cents": "secret"}));
        malformed(2, json!({"type": "sold"}));
    }
}
