-- Codes are unique for each organizer, orders are found by their event, and what is overpaid shows.
CREATE TABLE orders_anew (
    order_id BLOB NOT NULL PRIMARY KEY,
    order_code TEXT NOT NULL,
    buyer_id BLOB NOT NULL,
    organizer_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    state TEXT NOT NULL,
    placed_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Why it ended or is being called off.
    cause TEXT,
    -- What was received, was not given back and buys nothing, in minor units.
    overpaid INTEGER NOT NULL DEFAULT 0,
    -- 1 while a refund was refused for good.
    refund_stuck INTEGER NOT NULL DEFAULT 0,
    content TEXT NOT NULL,
    UNIQUE (order_code, organizer_id)
) STRICT, WITHOUT ROWID;

INSERT INTO orders_anew
    (order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, content)
SELECT order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, content
FROM orders;

DROP TABLE orders;
ALTER TABLE orders_anew RENAME TO orders;

CREATE INDEX orders_of_buyer ON orders (buyer_id, placed_at, order_id);
CREATE INDEX orders_of_organizer ON orders (organizer_id, placed_at, order_id);
CREATE INDEX orders_of_event ON orders (event_id, order_id);
