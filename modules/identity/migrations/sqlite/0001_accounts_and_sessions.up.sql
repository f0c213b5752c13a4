-- One row an account. All personal data of this schema's views is in email and name.
CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    roles TEXT NOT NULL,
    version INTEGER NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX accounts_by_email ON accounts (email);

-- Every refresh token that was given out and has not expired, used or not.
CREATE TABLE refresh_tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    session_id BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id, expires_at);
