-- Dead letters that somebody threw away, and why. Nothing reads them but people.
CREATE TABLE discarded_letters (
    id           BLOB    NOT NULL PRIMARY KEY,
    consumer     TEXT    NOT NULL,
    publisher    TEXT    NOT NULL,
    key          BLOB    NOT NULL,
    txn          INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    type         TEXT    NOT NULL,
    event        TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    error        TEXT,
    parked_at    INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    discarded_by TEXT    NOT NULL,
    discarded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
