CREATE TABLE notes (
    id         BLOB    NOT NULL PRIMARY KEY,
    text       TEXT,
    amount     INTEGER,
    fraction   REAL,
    is_kept    INTEGER,
    written_at INTEGER,
    extra      TEXT
) STRICT;
