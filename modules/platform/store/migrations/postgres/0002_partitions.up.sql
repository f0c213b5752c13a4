-- Events that come and go over a broker.

-- How far each consumer has come in each partition of a publisher's topic: the offset of the next
-- message, and where the last event that it has passed stands in the publisher's log. A topic with
-- another number of partitions has rows of its own, since keys are elsewhere in it.
CREATE TABLE partitions (
    consumer        text   NOT NULL,
    publisher       text   NOT NULL,
    partition_count bigint NOT NULL,
    partition       bigint NOT NULL,
    topic           text   NOT NULL,
    next_offset     bigint NOT NULL,
    txn             bigint NOT NULL,
    seq             bigint NOT NULL,
    PRIMARY KEY (consumer, publisher, partition_count, partition)
);

-- How far this service's log was published to a topic, and the last event in each partition.
CREATE TABLE relays (
    topic text   NOT NULL PRIMARY KEY,
    txn   bigint NOT NULL,
    seq   bigint NOT NULL,
    tails jsonb  NOT NULL
);
