DROP INDEX orders_of_event;
ALTER TABLE orders DROP COLUMN refund_stuck;
ALTER TABLE orders DROP COLUMN overpaid;
ALTER TABLE orders DROP COLUMN cause;
ALTER TABLE orders DROP CONSTRAINT orders_by_code;
ALTER TABLE orders ADD CONSTRAINT orders_order_code_key UNIQUE (order_code);
