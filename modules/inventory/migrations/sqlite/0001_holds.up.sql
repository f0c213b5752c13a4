-- Holds by id, so that one can be found without knowing its event.
CREATE TABLE holds (
    hold_id BLOB NOT NULL PRIMARY KEY,
    event_id BLOB NOT NULL
) STRICT, WITHOUT ROWID;
