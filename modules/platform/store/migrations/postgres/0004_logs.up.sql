-- By what the log of this database is known to those who read copies of it, whatever they are
-- called. Made once, and never changed.
CREATE TABLE own_log (
    place bigint NOT NULL PRIMARY KEY CHECK (place = 1),
    id    uuid   NOT NULL
);

-- The log that a consumer has found in a topic. What comes from another is not a publisher's.
CREATE TABLE followed_logs (
    consumer  text NOT NULL,
    publisher text NOT NULL,
    topic     text NOT NULL,
    log       uuid NOT NULL,
    PRIMARY KEY (consumer, publisher, topic)
);

-- A topic that is made anew with another number of partitions has nothing of what was published.
-- What was is published again, for its messages do not say whose log they are from.
DROP TABLE relays;
CREATE TABLE relays (
    topic           text   NOT NULL,
    partition_count bigint NOT NULL,
    txn             bigint NOT NULL,
    seq             bigint NOT NULL,
    tails           jsonb  NOT NULL,
    PRIMARY KEY (topic, partition_count)
);
