CREATE TABLE accounts (
    id         BLOB    NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    balance    INTEGER NOT NULL CHECK (balance > -1000),
    changed_at INTEGER NOT NULL
) STRICT;
