-- Holds by id, so that one can be found without knowing its event.
CREATE TABLE holds (
    hold_id uuid NOT NULL PRIMARY KEY,
    event_id uuid NOT NULL
);
