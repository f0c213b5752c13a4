-- The release before knows one state.
UPDATE notifications SET state = 'queued';
DROP INDEX notifications_of_order;
DROP INDEX notifications_of_organizer;
ALTER TABLE notifications DROP COLUMN sent_at;
ALTER TABLE notifications DROP COLUMN next_attempt_at;
ALTER TABLE notifications DROP COLUMN last_error;
ALTER TABLE notifications DROP COLUMN attempts;
ALTER TABLE notifications DROP COLUMN order_id;
ALTER TABLE notifications DROP COLUMN event_id;
ALTER TABLE notifications DROP COLUMN organizer_id;
