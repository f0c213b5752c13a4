-- A notification is a mail now, and tells what became of it. Those of before there was mail are told
-- to nobody any more.
ALTER TABLE notifications ADD COLUMN organizer_id uuid;
ALTER TABLE notifications ADD COLUMN event_id uuid;
ALTER TABLE notifications ADD COLUMN order_id uuid;
ALTER TABLE notifications ADD COLUMN attempts bigint NOT NULL DEFAULT 0;
ALTER TABLE notifications ADD COLUMN last_error text;
ALTER TABLE notifications ADD COLUMN next_attempt_at timestamptz;
ALTER TABLE notifications ADD COLUMN sent_at timestamptz;
UPDATE notifications SET state = 'unsent';

CREATE INDEX notifications_of_organizer
    ON notifications (organizer_id, queued_at, notification_id);
CREATE INDEX notifications_of_order ON notifications (order_id);
