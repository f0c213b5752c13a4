-- Orders of buyers without an account are counted by their address.
ALTER TABLE orders ADD COLUMN guest_email TEXT;
UPDATE orders SET guest_email = (
    SELECT payload -> 'access' -> 'guest' ->> 'email' FROM events
    WHERE category = 'order' AND stream = orders.order_id AND version = 1
);
CREATE INDEX orders_of_guest ON orders (event_id, guest_email) WHERE guest_email IS NOT NULL;
