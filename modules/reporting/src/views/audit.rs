//! The trail of what changed in every service.

use bus::AuditRecord;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{At, Database, Json, Sql, StoreError, Tx};
use uuid::Uuid;

use super::LATEST;

/// The statements of this file.
pub(super) const STATEMENTS: &[(&str, Sql)] =
    store::statements![KEEP, LIST, LIST_OF_ACTOR, LIST_OF_REQUEST, LIST_OF_AGGREGATE];

const KEEP: Sql = store::sql!(
    "INSERT INTO audit_records (recorded_at, record_id, service, aggregate, aggregate_id, version, \
     type, actor, correlation_id, causation_id, reason) \
     SELECT recorded_at, record_id, service, aggregate, aggregate_id, version, type, actor, \
     correlation_id, causation_id, reason FROM ",
    rows("$1",
        recorded_at instant, record_id uuid, service text, aggregate text, aggregate_id uuid,
        version bigint, type text, actor text, correlation_id text, causation_id uuid, reason text),
    " WHERE true ON CONFLICT (recorded_at, record_id) DO NOTHING",
);

/// A list by one of the indexes. An empty text is no condition.
macro_rules! list {
    ($actor:literal, $correlation:literal $(, $more:literal)?) => {
        concat!(
            "SELECT recorded_at, record_id, service, aggregate, aggregate_id, version, type, ",
            "actor, correlation_id, causation_id, reason FROM audit_records ",
            "WHERE (recorded_at, record_id) < ($1, $2) AND recorded_at >= $3 ",
            "AND ($4 = '' OR service = $4) AND ($5 = '' OR aggregate = $5) ",
            "AND ($6 = '' OR type = $6) AND ",
            $actor,
            " AND ",
            $correlation,
            $($more,)?
            " ORDER BY recorded_at DESC, record_id DESC LIMIT $9"
        )
    };
}

const LIST: &str = list!("($7 = '' OR actor = $7)", "($8 = '' OR correlation_id = $8)");
const LIST_OF_ACTOR: &str = list!("actor = $7", "($8 = '' OR correlation_id = $8)");
const LIST_OF_REQUEST: &str = list!("($7 = '' OR actor = $7)", "correlation_id = $8");
const LIST_OF_AGGREGATE: &str =
    list!("($7 = '' OR actor = $7)", "($8 = '' OR correlation_id = $8)", " AND aggregate_id = $10");

#[derive(Serialize)]
struct NewRecord<'a> {
    recorded_at: At,
    record_id: Uuid,
    service: &'static str,
    aggregate: &'a str,
    aggregate_id: Uuid,
    version: u64,
    r#type: &'a str,
    actor: &'a str,
    correlation_id: &'a str,
    causation_id: Option<Uuid>,
    reason: Option<&'a str>,
}

impl<'a> From<&'a AuditRecord> for NewRecord<'a> {
    fn from(record: &'a AuditRecord) -> Self {
        Self {
            recorded_at: At(record.recorded_at),
            record_id: record.id,
            service: record.service,
            aggregate: &record.aggregate,
            aggregate_id: record.stream,
            version: record.version,
            r#type: &record.event_type,
            actor: &record.actor,
            correlation_id: &record.correlation_id,
            causation_id: record.causation_id,
            reason: record.reason.as_deref(),
        }
    }
}

/// Keeps these records, once however often they are told.
pub(crate) async fn keep(tx: &mut Tx, records: &[AuditRecord]) -> Result<(), sqlx::Error> {
    let rows: Vec<NewRecord<'_>> = records.iter().map(NewRecord::from).collect();
    store::execute!(tx, KEEP, Json(&rows)).await?;
    Ok(())
}

/// A change of one thing.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct AuditRow {
    pub(crate) recorded_at: At,
    pub(crate) record_id: Uuid,
    pub(crate) service: String,
    pub(crate) aggregate: String,
    pub(crate) aggregate_id: Uuid,
    pub(crate) version: i64,
    #[sqlx(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) actor: String,
    pub(crate) correlation_id: String,
    pub(crate) causation_id: Option<Uuid>,
    pub(crate) reason: Option<String>,
}

/// Where a page of the trail begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AuditKey {
    recorded_at: Timestamp,
    record_id: Uuid,
}

impl AuditRow {
    pub(crate) fn key(&self) -> AuditKey {
        AuditKey { recorded_at: self.recorded_at.0, record_id: self.record_id }
    }
}

/// Which records are wanted: those that fulfil all conditions. An empty text is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) service: String,
    pub(crate) aggregate: String,
    pub(crate) aggregate_id: Option<Uuid>,
    pub(crate) event_type: String,
    pub(crate) actor: String,
    pub(crate) correlation_id: String,
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// Before everything that happens, and an instant that both databases can keep.
const EARLIEST: Timestamp = Timestamp::constant(0, 0);

impl Wanted {
    /// Up to `limit` records, newest first, from the one after `after`.
    pub(crate) async fn list(
        &self,
        database: &Database,
        after: Option<AuditKey>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        // Before the first record of that instant.
        let end = AuditKey { recorded_at: self.until.unwrap_or(LATEST), record_id: Uuid::nil() };
        let AuditKey { recorded_at, record_id } = after.map_or(end, |after| after.min(end));
        let (before, from) = (At(recorded_at), At(self.from.unwrap_or(EARLIEST)));
        let Self { service, aggregate, event_type, actor, correlation_id, .. } = self;
        let sql = if self.aggregate_id.is_some() {
            LIST_OF_AGGREGATE
        } else if !correlation_id.is_empty() {
            LIST_OF_REQUEST
        } else if !actor.is_empty() {
            LIST_OF_ACTOR
        } else {
            LIST
        };
        let rows = match self.aggregate_id {
            Some(id) => {
                store::fetch_all!(
                    database,
                    AuditRow,
                    sql,
                    before,
                    record_id,
                    from,
                    service,
                    aggregate,
                    event_type,
                    actor,
                    correlation_id,
                    limit,
                    id,
                )
                .await?
            }
            None => {
                store::fetch_all!(
                    database,
                    AuditRow,
                    sql,
                    before,
                    record_id,
                    from,
                    service,
                    aggregate,
                    event_type,
                    actor,
                    correlation_id,
                    limit,
                )
                .await?
            }
        };
        Ok(rows)
    }
}
