-- Events that come and go over a broker.

-- How far each consumer has come in each partition of a publisher's topic: the offset of the next
-- message, and where the last event that it has passed stands in the publisher's log. A topic with
-- another number of partitions has rows of its own, since keys are elsewhere in it.
CREATE TABLE partitions (
    consumer        TEXT    NOT NULL,
    publisher       TEXT    NOT NULL,
    partition_count INTEGER NOT NULL,
    partition       INTEGER NOT NULL,
    topic           TEXT    NOT NULL,
    next_offset     INTEGER NOT NULL,
    txn             INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    PRIMARY KEY (consumer, publisher, partition_count, partition)
) STRICT, WITHOUT ROWID;

-- How far this service's log was published to a topic, and the last event in each partition.
CREATE TABLE relays (
    topic TEXT    NOT NULL PRIMARY KEY,
    txn   INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    tails TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
