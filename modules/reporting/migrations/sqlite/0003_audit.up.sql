-- Who did what to which thing, when and why, in every service. Kept in the order of time, which is
-- the order in which it is read.
CREATE TABLE audit_records (
    recorded_at INTEGER NOT NULL,
    record_id BLOB NOT NULL,
    service TEXT NOT NULL,
    aggregate TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    actor TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    causation_id BLOB,
    reason TEXT,
    PRIMARY KEY (recorded_at, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_records_of_aggregate ON audit_records (aggregate_id, recorded_at, record_id);
CREATE INDEX audit_records_of_actor ON audit_records (actor, recorded_at, record_id);
CREATE INDEX audit_records_of_request ON audit_records (correlation_id, recorded_at, record_id);
