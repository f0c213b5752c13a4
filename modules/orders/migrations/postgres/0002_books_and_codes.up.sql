-- Codes are unique for each organizer, orders are found by their event, and what is overpaid shows.
ALTER TABLE orders DROP CONSTRAINT orders_order_code_key;
ALTER TABLE orders ADD CONSTRAINT orders_by_code UNIQUE (order_code, organizer_id);
-- Why it ended or is being called off.
ALTER TABLE orders ADD COLUMN cause text;
-- What was received, was not given back and buys nothing, in minor units.
ALTER TABLE orders ADD COLUMN overpaid bigint NOT NULL DEFAULT 0;
-- 1 while a refund was refused for good.
ALTER TABLE orders ADD COLUMN refund_stuck bigint NOT NULL DEFAULT 0;
CREATE INDEX orders_of_event ON orders (event_id, order_id);
