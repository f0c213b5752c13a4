//! The statements of a rebuild on the log.

use crate::{Dialect, RawRecorded, Sql};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] = crate::statements![MARK, COUNT, PAGE, CHANGED];

/// A place in the log before everything that a later look may find.
pub(super) const MARK: Sql = Sql::new(
    "SELECT coalesce(max(position), 0) FROM events",
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
);

pub(super) const COUNT: &str = "SELECT count(*) FROM events WHERE category = $1";

/// In the order of streams, so that each aggregate is made from nothing to now, once.
pub(super) const PAGE: &str = "SELECT position, txn, id, category, stream, version, type, \
     schema_version, payload, recorded_at, actor, correlation_id, causation_id, traceparent \
     FROM events WHERE category = $1 AND (stream, version) > ($2, $3) \
     ORDER BY stream, version LIMIT $4";

/// The streams to which something happened since a [`Mark`], with their versions.
pub(super) const CHANGED: Sql = Sql::new(
    "SELECT category, stream, max(version) FROM events WHERE position > $1 \
     GROUP BY category, stream",
    "SELECT category, stream, max(version) FROM events WHERE txn >= $1 \
     GROUP BY category, stream",
);

/// A moment of the log: what was visible before it does not lie behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    dialect: Dialect,
    at: i64,
}

impl Mark {
    pub(super) fn new(dialect: Dialect, at: i64) -> Self {
        Self { dialect, at }
    }

    pub(super) fn at(self) -> i64 {
        self.at
    }

    /// Whether the event may have become visible after it. On PostgreSQL also events of transactions
    /// that were in flight.
    pub(super) fn is_before(self, event: &RawRecorded) -> bool {
        match self.dialect {
            Dialect::Sqlite => event.seq > self.at,
            Dialect::Postgres => event.txn >= self.at,
        }
    }
}
