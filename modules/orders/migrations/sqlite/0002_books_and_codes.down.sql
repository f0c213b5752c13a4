CREATE TABLE orders_before (
    order_id BLOB NOT NULL PRIMARY KEY,
    order_code TEXT NOT NULL UNIQUE,
    buyer_id BLOB NOT NULL,
    organizer_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    state TEXT NOT NULL,
    placed_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO orders_before
    (order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, content)
SELECT order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, content
FROM orders;

DROP TABLE orders;
ALTER TABLE orders_before RENAME TO orders;

CREATE INDEX orders_of_buyer ON orders (buyer_id, placed_at, order_id);
CREATE INDEX orders_of_organizer ON orders (organizer_id, placed_at, order_id);
