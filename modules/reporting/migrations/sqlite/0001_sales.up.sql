-- What other services have told, one row for each thing, so that a report is a count of what there
-- is and cannot drift.

CREATE TABLE reported_events (
    event_id BLOB NOT NULL PRIMARY KEY,
    organizer_id BLOB NOT NULL,
    name TEXT NOT NULL
) STRICT;
CREATE INDEX reported_events_of_organizer ON reported_events (organizer_id, event_id);

CREATE TABLE sold_orders (
    order_id BLOB NOT NULL PRIMARY KEY,
    event_id BLOB NOT NULL,
    currency TEXT NOT NULL,
    amount INTEGER NOT NULL,
    tickets INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) STRICT;
CREATE INDEX sold_orders_of_event ON sold_orders (event_id);

CREATE TABLE admissions (
    ticket_id BLOB NOT NULL PRIMARY KEY,
    event_id BLOB NOT NULL,
    admitted_at INTEGER NOT NULL
) STRICT;
CREATE INDEX admissions_of_event ON admissions (event_id);

-- The newest that was taken in of what each service tells, and when that was.
CREATE TABLE sources (
    publisher TEXT NOT NULL PRIMARY KEY,
    as_of INTEGER NOT NULL,
    taken_at INTEGER NOT NULL
) STRICT;
