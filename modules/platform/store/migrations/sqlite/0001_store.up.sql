-- What every service has: its log, and what is kept beside it.

CREATE TABLE events (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    txn            INTEGER NOT NULL DEFAULT 0,
    id             BLOB    NOT NULL,
    category       TEXT    NOT NULL,
    stream         BLOB    NOT NULL,
    version        INTEGER NOT NULL,
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    payload        TEXT    NOT NULL,
    recorded_at    INTEGER NOT NULL,
    actor          TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    causation_id   BLOB,
    traceparent    TEXT    NOT NULL,
    UNIQUE (category, stream, version)
) STRICT;

CREATE TABLE snapshots (
    category     TEXT    NOT NULL,
    stream       BLOB    NOT NULL,
    version      INTEGER NOT NULL,
    state_schema INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    PRIMARY KEY (category, stream)
) STRICT, WITHOUT ROWID;

-- When to wake an aggregate. Who arms one anew sets `due` and `attempts = 0` and leaves `claimed_by`
-- alone: it names the runner (a row of `leases`) that is busy with it.
CREATE TABLE timers (
    category   TEXT    NOT NULL,
    stream     BLOB    NOT NULL,
    due        INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    claimed_by BLOB,
    PRIMARY KEY (category, stream)
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_by_due ON timers (category, due);
CREATE INDEX timers_by_claim ON timers (claimed_by) WHERE claimed_by IS NOT NULL;

-- How far each consumer has come in each publisher's feed.
CREATE TABLE consumers (
    consumer  TEXT    NOT NULL,
    publisher TEXT    NOT NULL,
    txn       INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    PRIMARY KEY (consumer, publisher)
) STRICT, WITHOUT ROWID;

-- Events that a consumer could not take: `retrying` until `due`, `dead` until somebody decides, and
-- those that wait behind one of them because they have the same key (`waiting`).
CREATE TABLE dead_letters (
    id        BLOB    NOT NULL PRIMARY KEY,
    consumer  TEXT    NOT NULL,
    publisher TEXT    NOT NULL,
    key       BLOB    NOT NULL,
    txn       INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    type      TEXT    NOT NULL,
    event     TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    error     TEXT,
    due       INTEGER NOT NULL,
    parked_at INTEGER NOT NULL,
    UNIQUE (consumer, publisher, txn, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_letters_by_key ON dead_letters (consumer, publisher, key, txn, seq);

-- Who does what only one process may do. `beat` moves while the holder lives.
CREATE TABLE leases (
    name   TEXT    NOT NULL PRIMARY KEY,
    holder BLOB,
    epoch  INTEGER NOT NULL,
    beat   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    scope         TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    body_hash     TEXT    NOT NULL,
    claimed_until INTEGER NOT NULL,
    status        INTEGER,
    headers       TEXT,
    body          TEXT,
    answered_at   INTEGER,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (claimed_until);

CREATE TABLE write_probe (
    id      INTEGER NOT NULL PRIMARY KEY,
    filling TEXT    NOT NULL
) STRICT;
