ALTER TABLE sandbox_charges DROP COLUMN order_id;
DROP TABLE payment_webhooks;
