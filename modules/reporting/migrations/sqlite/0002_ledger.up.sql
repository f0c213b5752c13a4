-- Sales as a ledger: a row for each thing that happened, with what it adds to each sum, so that a
-- report of a day and a report of the whole are sums of the same rows. sold_orders stays for the
-- release before this one, which may have to come back.

CREATE TABLE sales_ledger (
    -- The event that told of it.
    fact_id BLOB NOT NULL PRIMARY KEY,
    order_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    -- Quarters of an hour since 1970, of which the days of every time zone are made.
    quarter INTEGER NOT NULL,
    currency TEXT NOT NULL,
    orders INTEGER NOT NULL,
    cancelled_orders INTEGER NOT NULL,
    tickets INTEGER NOT NULL,
    cancelled_tickets INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    refunded INTEGER NOT NULL
) STRICT;
CREATE INDEX sales_ledger_of_event ON sales_ledger (event_id, quarter);

-- The same by ticket type.
CREATE TABLE sold_items (
    fact_id BLOB NOT NULL,
    ticket_type_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    name TEXT NOT NULL,
    tickets INTEGER NOT NULL,
    cancelled_tickets INTEGER NOT NULL,
    PRIMARY KEY (fact_id, ticket_type_id)
) STRICT;
CREATE INDEX sold_items_of_event ON sold_items (event_id, ticket_type_id);

-- Each order as it stands.
CREATE TABLE order_standings (
    order_id BLOB NOT NULL PRIMARY KEY,
    order_code TEXT NOT NULL,
    event_id BLOB NOT NULL,
    organizer_id BLOB NOT NULL,
    buyer_id BLOB NOT NULL,
    confirmed_at INTEGER NOT NULL,
    currency TEXT NOT NULL,
    total INTEGER NOT NULL,
    tickets INTEGER NOT NULL,
    cancelled_tickets INTEGER NOT NULL,
    -- What the cancelled tickets had cost, and what was given back for whatever reason.
    cancelled_cost INTEGER NOT NULL,
    given_back INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) STRICT;
CREATE INDEX order_standings_of_buyer ON order_standings (buyer_id, confirmed_at, order_id);
CREATE INDEX order_standings_of_event ON order_standings (event_id, confirmed_at, order_id);
