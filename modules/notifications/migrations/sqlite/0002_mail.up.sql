-- A notification is a mail now, and tells what became of it. Those of before there was mail are told
-- to nobody any more.
ALTER TABLE notifications ADD COLUMN organizer_id BLOB;
ALTER TABLE notifications ADD COLUMN event_id BLOB;
ALTER TABLE notifications ADD COLUMN order_id BLOB;
ALTER TABLE notifications ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notifications ADD COLUMN last_error TEXT;
ALTER TABLE notifications ADD COLUMN next_attempt_at INTEGER;
ALTER TABLE notifications ADD COLUMN sent_at INTEGER;
UPDATE notifications SET state = 'unsent';

CREATE INDEX notifications_of_organizer
    ON notifications (organizer_id, queued_at, notification_id);
CREATE INDEX notifications_of_order ON notifications (order_id);
