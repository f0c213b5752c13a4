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

-- When to wake an aggregate. Who arms one anew sets `due` and `attempts = 0` and leaves `claimed_by`
-- alone: it names the runner (a row of `leases`) that is busy with it.
CREATE TABLE timers (
    category   text        NOT NULL,
    stream     uuid        NOT NULL,
    due        timestamptz NOT NULL,
    attempts   bigint      NOT NULL DEFAULT 0,
    claimed_by uuid,
    PRIMARY KEY (category, stream)
);
CREATE INDEX timers_by_due ON timers (category, due);
CREATE INDEX timers_by_claim ON timers (claimed_by) WHERE claimed_by IS NOT NULL;

-- How far each consumer has come in each publisher's feed.
CREATE TABLE consumers (
    consumer  text   NOT NULL,
    publisher text   NOT NULL,
    txn       bigint NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (consumer, publisher)
);

-- Events that a consumer could not take: `retrying` until `due`, `dead` until somebody decides, and
-- those that wait behind one of them because they have the same key (`waiting`).
CREATE TABLE dead_letters (
    id        uuid        NOT NULL PRIMARY KEY,
    consumer  text        NOT NULL,
    publisher text        NOT NULL,
    key       uuid        NOT NULL,
    txn       bigint      NOT NULL,
    seq       bigint      NOT NULL,
    type      text        NOT NULL,
    event     jsonb       NOT NULL,
    state     text        NOT NULL,
    attempts  bigint      NOT NULL,
    error     text,
    due       timestamptz NOT NULL,
    parked_at timestamptz NOT NULL,
    UNIQUE (consumer, publisher, txn, seq)
);
CREATE INDEX dead_letters_by_key ON dead_letters (consumer, publisher, key, txn, seq);

-- Who does what only one process may do. `beat` moves while the holder lives.
CREATE TABLE leases (
    name   text   NOT NULL PRIMARY KEY,
    holder uuid,
    epoch  bigint NOT NULL,
    beat   bigint NOT NULL
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
