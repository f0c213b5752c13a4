//! Instants in columns.

use runtime::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};

/// The first instant of a `timestamptz`, in 4714 BC. Clients can name earlier ones, in cursors and
/// filters; nothing is earlier than either.
const EARLIEST_IN_POSTGRES: Timestamp = Timestamp::constant(-210_866_803_200, 0);

/// An instant as a column: `timestamptz` in PostgreSQL, integer microseconds since 1970 in SQLite.
/// Bind it and read it where a statement has an instant. In the rows of [`sql!`](crate::sql!) it is
/// a column of type `instant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(pub Timestamp);

impl From<Timestamp> for At {
    fn from(instant: Timestamp) -> Self {
        Self(instant)
    }
}

impl From<At> for Timestamp {
    fn from(at: At) -> Self {
        at.0
    }
}

impl At {
    fn from_microseconds(microseconds: i64) -> Result<Self, jiff::Error> {
        Timestamp::from_microsecond(microseconds).map(Self)
    }
}

/// As microseconds, which both databases read alike.
impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.as_microsecond())
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_microseconds(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Type<Sqlite> for At {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(column: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(column)
    }
}

impl Encode<'_, Sqlite> for At {
    fn encode_by_ref(&self, arguments: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0.as_microsecond(), arguments)
    }
}

impl Decode<'_, Sqlite> for At {
    fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self::from_microseconds(<i64 as Decode<Sqlite>>::decode(value)?)?)
    }
}

impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        <jiff_sqlx::Timestamp as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for At {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let reachable = self.0.max(EARLIEST_IN_POSTGRES);
        Encode::<Postgres>::encode(jiff_sqlx::Timestamp::from(reachable), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for At {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let instant = <jiff_sqlx::Timestamp as Decode<Postgres>>::decode(value)?;
        Ok(Self(instant.to_jiff()))
    }
}
