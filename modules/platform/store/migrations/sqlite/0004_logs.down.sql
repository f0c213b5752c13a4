DROP TABLE relays;
CREATE TABLE relays (
    topic TEXT    NOT NULL PRIMARY KEY,
    txn   INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    tails TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
DROP TABLE followed_logs;
DROP TABLE own_log;
