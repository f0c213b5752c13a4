-- Read models of the programme. The log of the store is the truth; these follow it.

CREATE TABLE organizer_view (
    id          BLOB    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL,
    description TEXT    NOT NULL
) STRICT;

CREATE INDEX organizer_view_by_name ON organizer_view (name_key, id);

CREATE TABLE organizer_member (
    organizer_id BLOB    NOT NULL,
    user_id      BLOB    NOT NULL,
    role         TEXT    NOT NULL CHECK (role IN ('owner', 'member')),
    since        INTEGER NOT NULL,
    PRIMARY KEY (organizer_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX organizer_member_by_user ON organizer_member (user_id, organizer_id);

CREATE TABLE venue_view (
    id           BLOB    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    organizer_id BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    time_zone    TEXT    NOT NULL
) STRICT;

CREATE INDEX venue_view_by_organizer ON venue_view (organizer_id, id);

CREATE TABLE event_view (
    id           BLOB    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    organizer_id BLOB    NOT NULL,
    venue_id     BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    name_key     TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    phase        TEXT    NOT NULL
        CHECK (phase IN ('draft', 'published', 'on_sale', 'sales_closed', 'cancelled')),
    starts_at    INTEGER NOT NULL,
    ends_at      INTEGER NOT NULL CHECK (starts_at < ends_at),
    currency     TEXT    NOT NULL,
    ticket_types TEXT    NOT NULL,
    cancellation TEXT
) STRICT;

CREATE INDEX event_view_by_start ON event_view (starts_at, id);
CREATE INDEX event_view_by_organizer ON event_view (organizer_id, starts_at, id);
CREATE INDEX event_view_by_venue ON event_view (venue_id, starts_at, id);
