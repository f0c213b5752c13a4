//! Durations as people write them: `5s`, `1m 30s`.

use std::{fmt, time::Duration};

use jiff::fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// For keys that hold a duration: `#[serde(with = "runtime::duration")]`.
pub mod duration {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Written};

    /// Writes it as `1m 30s`.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        Written(*duration).serialize(to)
    }

    /// Reads what [`serialize`] writes, and other common ways to say it.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Written::deserialize(from).map(|written| written.0)
    }
}

/// For keys that may hold a duration: `#[serde(with = "runtime::optional_duration")]`.
pub mod optional_duration {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Written};

    /// Writes it as `1m 30s`, or nothing.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(Written).serialize(to)
    }

    /// Reads what [`serialize`] writes, and other common ways to say it.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let written = Option::<Written>::deserialize(from)?;
        Ok(written.map(|written| written.0))
    }
}

/// A duration on paper.
struct Written(Duration);

const PRINTER: SpanPrinter =
    SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::BetweenUnits);

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&PRINTER.unsigned_duration_to_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Reader)
    }
}

struct Reader;

impl de::Visitor<'_> for Reader {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"5s\" or \"1m 30s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
        SpanParser::new()
            .parse_unsigned_duration(text)
            .map(Written)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
