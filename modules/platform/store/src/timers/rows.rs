//! The statements on timers, and their rows.

use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{At, Sql};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    crate::statements![NEXT, CLAIM, CAUSES, RELEASE, RELEASE_OTHERS, RELEASE_ALL];

pub(super) const NEXT: Sql = crate::sql!(
    "SELECT min(due) FROM timers WHERE category = $1 AND claimed_by IS NULL \
     AND stream NOT IN (SELECT stream FROM ",
    rows("$2", stream uuid),
    ")",
);
pub(super) const CLAIM: Sql = Sql::new(
    crate::__sql!(sqlite []
        "UPDATE timers SET claimed_by = $1, attempts = attempts + 1 WHERE category = $2 \
         AND stream IN (SELECT stream FROM timers WHERE category = $2 AND due <= $3 \
         AND claimed_by IS NULL AND stream NOT IN (SELECT stream FROM "
        rows("$5", stream uuid)
        ") ORDER BY due LIMIT $4) RETURNING stream, due, attempts"
    ),
    crate::__sql!(postgres []
        "UPDATE timers SET claimed_by = $1, attempts = attempts + 1 WHERE category = $2 \
         AND stream IN (SELECT stream FROM timers WHERE category = $2 AND due <= $3 \
         AND claimed_by IS NULL AND stream NOT IN (SELECT stream FROM "
        rows("$5", stream uuid)
        ") ORDER BY due LIMIT $4 FOR UPDATE SKIP LOCKED) RETURNING stream, due, attempts"
    ),
);
pub(super) const CAUSES: Sql = crate::sql!(
    "SELECT e.stream, e.id, e.correlation_id, e.traceparent FROM ",
    rows("$2", stream uuid),
    " CROSS JOIN events e WHERE e.category = $1 AND e.stream = given.stream \
     AND e.version = (SELECT max(l.version) FROM events l \
     WHERE l.category = $1 AND l.stream = given.stream)",
);
/// A timer that was set anew since it was claimed has no attempts, and keeps its time.
pub(super) const RELEASE: Sql = crate::sql!(
    "UPDATE timers SET claimed_by = NULL, \
     due = CASE WHEN timers.attempts = 0 THEN timers.due ELSE given.due END FROM ",
    rows("$3", stream uuid, due instant),
    " WHERE timers.category = $2 AND timers.claimed_by = $1 AND timers.stream = given.stream",
);
pub(super) const RELEASE_OTHERS: Sql = crate::sql!(
    "UPDATE timers SET claimed_by = NULL WHERE category = $2 AND claimed_by = $1 \
     AND stream NOT IN (SELECT stream FROM ",
    rows("$3", stream uuid),
    ")",
);
pub(super) const RELEASE_ALL: &str =
    "UPDATE timers SET claimed_by = NULL WHERE category = $2 AND claimed_by = $1";

#[derive(Debug, Clone, FromRow)]
pub(super) struct Claimed {
    pub(super) stream: Uuid,
    pub(super) due: At,
    #[sqlx(try_from = "i64")]
    pub(super) attempts: u32,
}

#[derive(FromRow)]
pub(super) struct CauseRow {
    pub(super) stream: Uuid,
    #[sqlx(flatten)]
    pub(super) cause: Cause,
}

/// The event after which an aggregate wakes.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Cause {
    pub(crate) id: Uuid,
    pub(crate) correlation_id: String,
    pub(crate) traceparent: String,
}

#[derive(Clone, Serialize)]
pub(super) struct StreamRow {
    pub(super) stream: Uuid,
}

#[derive(Clone, Serialize)]
pub(super) struct ReleaseRow {
    pub(super) stream: Uuid,
    pub(super) due: At,
}
