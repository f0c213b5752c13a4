-- What people are to be told. The id is that of the event it tells of, so there is one for each.
CREATE TABLE notifications (
    notification_id uuid NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL,
    state text NOT NULL,
    queued_at timestamptz NOT NULL,
    message jsonb NOT NULL
);

CREATE INDEX notifications_of_user ON notifications (user_id, queued_at, notification_id);
