-- What people are to be told. The id is that of the event it tells of, so there is one for each.
CREATE TABLE notifications (
    notification_id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    state TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE INDEX notifications_of_user ON notifications (user_id, queued_at, notification_id);
