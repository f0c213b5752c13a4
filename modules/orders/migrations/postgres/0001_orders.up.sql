-- Orders as lists show them.
CREATE TABLE orders (
    order_id uuid NOT NULL PRIMARY KEY,
    order_code text NOT NULL UNIQUE,
    buyer_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    event_id uuid NOT NULL,
    state text NOT NULL,
    placed_at timestamptz NOT NULL,
    version bigint NOT NULL,
    content jsonb NOT NULL
);

CREATE INDEX orders_of_buyer ON orders (buyer_id, placed_at, order_id);
CREATE INDEX orders_of_organizer ON orders (organizer_id, placed_at, order_id);
