DROP TABLE relays;
CREATE TABLE relays (
    topic text   NOT NULL PRIMARY KEY,
    txn   bigint NOT NULL,
    seq   bigint NOT NULL,
    tails jsonb  NOT NULL
);
DROP TABLE followed_logs;
DROP TABLE own_log;
