-- Payments and refunds as their readers see them.
CREATE TABLE payments (
    payment_id BLOB NOT NULL PRIMARY KEY,
    order_id BLOB NOT NULL UNIQUE,
    payer_id BLOB NOT NULL,
    opened_at INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX payments_of_payer ON payments (payer_id, opened_at, payment_id);

CREATE TABLE refunds (
    refund_id BLOB NOT NULL PRIMARY KEY,
    order_id BLOB NOT NULL,
    payer_id BLOB NOT NULL,
    begun_at INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refunds_of_payer ON refunds (payer_id, begun_at, refund_id);
CREATE INDEX refunds_of_order ON refunds (order_id, begun_at, refund_id);

-- The books of the sandbox provider. They are its own: nothing of ours is derived from them but by
-- asking it.
CREATE TABLE sandbox_charges (
    charge_id BLOB NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT,
    url TEXT,
    -- What becomes of refunds: at_once, later, refused.
    refunds TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    booked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_refunds (
    refund_id BLOB NOT NULL PRIMARY KEY,
    charge_id BLOB NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    booked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sandbox_refunds_of_charge ON sandbox_refunds (charge_id);
