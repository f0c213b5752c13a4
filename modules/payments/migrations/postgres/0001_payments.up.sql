-- Payments and refunds as their readers see them.
CREATE TABLE payments (
    payment_id uuid NOT NULL PRIMARY KEY,
    order_id uuid NOT NULL UNIQUE,
    payer_id uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    content jsonb NOT NULL
);
CREATE INDEX payments_of_payer ON payments (payer_id, opened_at, payment_id);

CREATE TABLE refunds (
    refund_id uuid NOT NULL PRIMARY KEY,
    order_id uuid NOT NULL,
    payer_id uuid NOT NULL,
    begun_at timestamptz NOT NULL,
    content jsonb NOT NULL
);
CREATE INDEX refunds_of_payer ON refunds (payer_id, begun_at, refund_id);
CREATE INDEX refunds_of_order ON refunds (order_id, begun_at, refund_id);

-- The books of the sandbox provider. They are its own: nothing of ours is derived from them but by
-- asking it.
CREATE TABLE sandbox_charges (
    charge_id uuid NOT NULL PRIMARY KEY,
    state text NOT NULL,
    reason text,
    url text,
    -- What becomes of refunds: at_once, later, refused.
    refunds text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    booked_at timestamptz NOT NULL
);

CREATE TABLE sandbox_refunds (
    refund_id uuid NOT NULL PRIMARY KEY,
    charge_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    booked_at timestamptz NOT NULL
);
CREATE INDEX sandbox_refunds_of_charge ON sandbox_refunds (charge_id);
