-- Who did what to which thing, when and why, in every service. Kept in the order of time, which is
-- the order in which it is read.
CREATE TABLE audit_records (
    recorded_at timestamptz NOT NULL,
    record_id uuid NOT NULL,
    service text NOT NULL,
    aggregate text NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    correlation_id text NOT NULL,
    causation_id uuid,
    reason text,
    PRIMARY KEY (recorded_at, record_id)
);
CREATE INDEX audit_records_of_aggregate ON audit_records (aggregate_id, recorded_at, record_id);
CREATE INDEX audit_records_of_actor ON audit_records (actor, recorded_at, record_id);
CREATE INDEX audit_records_of_request ON audit_records (correlation_id, recorded_at, record_id);
