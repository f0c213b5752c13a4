-- Dead letters that somebody threw away, and why. Nothing reads them but people.
CREATE TABLE discarded_letters (
    id           uuid        NOT NULL PRIMARY KEY,
    consumer     text        NOT NULL,
    publisher    text        NOT NULL,
    key          uuid        NOT NULL,
    txn          bigint      NOT NULL,
    seq          bigint      NOT NULL,
    type         text        NOT NULL,
    event        jsonb       NOT NULL,
    attempts     bigint      NOT NULL,
    error        text,
    parked_at    timestamptz NOT NULL,
    reason       text        NOT NULL,
    discarded_by text        NOT NULL,
    discarded_at timestamptz NOT NULL
);
