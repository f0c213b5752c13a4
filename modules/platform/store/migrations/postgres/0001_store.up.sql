-- What every service has: its log, and what is kept beside it.

CREATE TABLE events (
    position       bigint      GENERATED ALWAYS AS IDENTITY,
    txn            bigint      NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id             uuid        NOT NULL,
    category       text        NOT NULL,
    stream         uuid        NOT NULL,
    version        bigint      NOT NULL,
    type           text        NOT NULL,
    schema_version bigint      NOT NULL,
    payload        jsonb       NOT NULL,
    recorded_at    timestamptz NOT NULL,
    actor          text        NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   uuid,
    traceparent    text        NOT NULL,
    PRIMARY KEY (txn, position),
    UNIQUE (category, stream, version)
);

CREATE TABLE snapshots (
    category     text   NOT NULL,
    stream       uuid   NOT NULL,
    version      bigint NOT NULL,
    state_schema bigint NOT NULL,
    state        jsonb  NOT NULL,
    PRIMARY KEY (category, stream)
);

CREATE TABLE timers (
    category      text        NOT NULL,
    stream        uuid        NOT NULL,
    due           timestamptz NOT NULL,
    attempts      bigint      NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    PRIMARY KEY (category, stream)
);
CREATE INDEX timers_by_due ON timers (category, due);

CREATE TABLE consumers (
    consumer  text   NOT NULL,
    publisher text   NOT NULL,
    txn       bigint NOT NULL,
    seq       bigint NOT NULL,
    epoch     bigint NOT NULL,
    PRIMARY KEY (consumer, publisher)
);

CREATE TABLE dead_letters (
    id             uuid        NOT NULL PRIMARY KEY,
    consumer       text        NOT NULL,
    publisher      text        NOT NULL,
    key            uuid        NOT NULL,
    txn            bigint      NOT NULL,
    seq            bigint      NOT NULL,
    event_id       uuid        NOT NULL,
    event          jsonb       NOT NULL,
    is_parked      boolean     NOT NULL,
    attempts       bigint      NOT NULL,
    error          text        NOT NULL,
    failed_at      timestamptz NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   uuid,
    traceparent    text        NOT NULL,
    UNIQUE (consumer, publisher, txn, seq)
);
CREATE INDEX dead_letters_by_key ON dead_letters (consumer, publisher, key, txn, seq);

CREATE TABLE leases (
    name       text        NOT NULL PRIMARY KEY,
    holder     uuid        NOT NULL,
    epoch      bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE idempotency_keys (
    scope         text        NOT NULL,
    key           text        NOT NULL,
    body_hash     text        NOT NULL,
    claimed_until timestamptz NOT NULL,
    status        bigint,
    headers       jsonb,
    body          text,
    answered_at   timestamptz,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (claimed_until);

CREATE TABLE write_probe (
    id      bigint NOT NULL PRIMARY KEY,
    filling text   NOT NULL
);
