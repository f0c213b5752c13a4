-- Tickets as lists show them, and every scan at a door.
CREATE TABLE tickets (
    ticket_id uuid NOT NULL PRIMARY KEY,
    order_id uuid NOT NULL,
    event_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    content jsonb NOT NULL
);

CREATE INDEX tickets_of_holder ON tickets (holder_id, ticket_id);
CREATE INDEX tickets_of_event ON tickets (event_id, ticket_id);
CREATE INDEX tickets_of_order ON tickets (order_id, ticket_id);

CREATE TABLE scans (
    scan_id uuid NOT NULL PRIMARY KEY,
    event_id uuid NOT NULL,
    content jsonb NOT NULL
);

CREATE INDEX scans_of_event ON scans (event_id, scan_id);
