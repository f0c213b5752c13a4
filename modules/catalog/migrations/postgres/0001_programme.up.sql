-- Read models of the programme. The log of the store is the truth; these follow it.

CREATE TABLE organizer_view (
    id          uuid   NOT NULL PRIMARY KEY,
    version     bigint NOT NULL,
    name        text   NOT NULL,
    name_key    text   NOT NULL COLLATE "C",
    description text   NOT NULL
);

CREATE INDEX organizer_view_by_name ON organizer_view (name_key, id);

CREATE TABLE organizer_member (
    organizer_id uuid        NOT NULL,
    user_id      uuid        NOT NULL,
    role         text        NOT NULL CHECK (role IN ('owner', 'member')),
    since        timestamptz NOT NULL,
    PRIMARY KEY (organizer_id, user_id)
);

CREATE INDEX organizer_member_by_user ON organizer_member (user_id, organizer_id);

CREATE TABLE venue_view (
    id           uuid   NOT NULL PRIMARY KEY,
    version      bigint NOT NULL,
    organizer_id uuid   NOT NULL,
    name         text   NOT NULL,
    address      text   NOT NULL,
    time_zone    text   NOT NULL
);

CREATE INDEX venue_view_by_organizer ON venue_view (organizer_id, id);

CREATE TABLE event_view (
    id           uuid        NOT NULL PRIMARY KEY,
    version      bigint      NOT NULL,
    organizer_id uuid        NOT NULL,
    venue_id     uuid        NOT NULL,
    name         text        NOT NULL,
    name_key     text        NOT NULL COLLATE "C",
    description  text        NOT NULL,
    phase        text        NOT NULL
        CHECK (phase IN ('draft', 'published', 'on_sale', 'sales_closed', 'cancelled')),
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL CHECK (starts_at < ends_at),
    currency     text        NOT NULL,
    ticket_types jsonb       NOT NULL,
    cancellation text
);

CREATE INDEX event_view_by_start ON event_view (starts_at, id);
CREATE INDEX event_view_by_organizer ON event_view (organizer_id, starts_at, id);
CREATE INDEX event_view_by_venue ON event_view (venue_id, starts_at, id);
