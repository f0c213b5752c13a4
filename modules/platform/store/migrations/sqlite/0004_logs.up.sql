-- By what the log of this database is known to those who read copies of it, whatever they are
-- called. Made once, and never changed.
CREATE TABLE own_log (
    place INTEGER NOT NULL PRIMARY KEY CHECK (place = 1),
    id    BLOB    NOT NULL
) STRICT;

-- The log that a consumer has found in a topic. What comes from another is not a publisher's.
CREATE TABLE followed_logs (
    consumer  TEXT NOT NULL,
    publisher TEXT NOT NULL,
    topic     TEXT NOT NULL,
    log       BLOB NOT NULL,
    PRIMARY KEY (consumer, publisher, topic)
) STRICT, WITHOUT ROWID;

-- A topic that is made anew with another number of partitions has nothing of what was published.
-- What was is published again, for its messages do not say whose log they are from.
DROP TABLE relays;
CREATE TABLE relays (
    topic           TEXT    NOT NULL,
    partition_count INTEGER NOT NULL,
    txn             INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    tails           TEXT    NOT NULL,
    PRIMARY KEY (topic, partition_count)
) STRICT, WITHOUT ROWID;
