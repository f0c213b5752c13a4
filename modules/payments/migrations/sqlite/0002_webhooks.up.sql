-- The webhooks that were taken in, so that each is taken in once.
CREATE TABLE payment_webhooks (
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    order_id BLOB,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (provider, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_webhooks_by_age ON payment_webhooks (taken_at);

-- What the sandbox provider's webhooks are about.
ALTER TABLE sandbox_charges ADD COLUMN order_id BLOB;
