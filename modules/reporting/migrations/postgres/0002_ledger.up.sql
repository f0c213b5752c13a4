-- Sales as a ledger: a row for each thing that happened, with what it adds to each sum, so that a
-- report of a day and a report of the whole are sums of the same rows. sold_orders stays for the
-- release before this one, which may have to come back.

CREATE TABLE sales_ledger (
    -- The event that told of it.
    fact_id uuid NOT NULL PRIMARY KEY,
    order_id uuid NOT NULL,
    event_id uuid NOT NULL,
    -- Quarters of an hour since 1970, of which the days of every time zone are made.
    quarter bigint NOT NULL,
    currency text NOT NULL,
    orders bigint NOT NULL,
    cancelled_orders bigint NOT NULL,
    tickets bigint NOT NULL,
    cancelled_tickets bigint NOT NULL,
    gross bigint NOT NULL,
    refunded bigint NOT NULL
);
CREATE INDEX sales_ledger_of_event ON sales_ledger (event_id, quarter);

-- The same by ticket type.
CREATE TABLE sold_items (
    fact_id uuid NOT NULL,
    ticket_type_id uuid NOT NULL,
    event_id uuid NOT NULL,
    name text NOT NULL,
    tickets bigint NOT NULL,
    cancelled_tickets bigint NOT NULL,
    PRIMARY KEY (fact_id, ticket_type_id)
);
CREATE INDEX sold_items_of_event ON sold_items (event_id, ticket_type_id);

-- Each order as it stands.
CREATE TABLE order_standings (
    order_id uuid NOT NULL PRIMARY KEY,
    order_code text NOT NULL,
    event_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    confirmed_at timestamptz NOT NULL,
    currency text NOT NULL,
    total bigint NOT NULL,
    tickets bigint NOT NULL,
    cancelled_tickets bigint NOT NULL,
    -- What the cancelled tickets had cost, and what was given back for whatever reason.
    cancelled_cost bigint NOT NULL,
    given_back bigint NOT NULL,
    cancelled boolean NOT NULL
);
CREATE INDEX order_standings_of_buyer ON order_standings (buyer_id, confirmed_at, order_id);
CREATE INDEX order_standings_of_event ON order_standings (event_id, confirmed_at, order_id);
