-- The webhooks that were taken in, so that each is taken in once.
CREATE TABLE payment_webhooks (
    provider text NOT NULL,
    event_id text NOT NULL,
    kind text NOT NULL,
    order_id uuid,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (provider, event_id)
);
CREATE INDEX payment_webhooks_by_age ON payment_webhooks (taken_at);

-- What the sandbox provider's webhooks are about.
ALTER TABLE sandbox_charges ADD COLUMN order_id uuid;
