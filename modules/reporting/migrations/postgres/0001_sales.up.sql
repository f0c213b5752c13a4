-- What other services have told, one row for each thing, so that a report is a count of what there
-- is and cannot drift.

CREATE TABLE reported_events (
    event_id uuid NOT NULL PRIMARY KEY,
    organizer_id uuid NOT NULL,
    name text NOT NULL
);
CREATE INDEX reported_events_of_organizer ON reported_events (organizer_id, event_id);

CREATE TABLE sold_orders (
    order_id uuid NOT NULL PRIMARY KEY,
    event_id uuid NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    tickets bigint NOT NULL,
    cancelled boolean NOT NULL
);
CREATE INDEX sold_orders_of_event ON sold_orders (event_id);

CREATE TABLE admissions (
    ticket_id uuid NOT NULL PRIMARY KEY,
    event_id uuid NOT NULL,
    admitted_at timestamptz NOT NULL
);
CREATE INDEX admissions_of_event ON admissions (event_id);

-- The newest that was taken in of what each service tells, and when that was.
CREATE TABLE sources (
    publisher text NOT NULL PRIMARY KEY,
    as_of timestamptz NOT NULL,
    taken_at timestamptz NOT NULL
);
