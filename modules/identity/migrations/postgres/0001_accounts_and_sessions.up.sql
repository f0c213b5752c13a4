-- One row an account. All personal data of this schema's views is in email and name.
CREATE TABLE accounts (
    id uuid NOT NULL PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    password text NOT NULL,
    roles jsonb NOT NULL,
    version bigint NOT NULL,
    registered_at timestamptz NOT NULL
);

CREATE UNIQUE INDEX accounts_by_email ON accounts (email);

-- Every refresh token that was given out and has not expired, used or not.
CREATE TABLE refresh_tokens (
    hash text NOT NULL PRIMARY KEY,
    session_id uuid NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id, expires_at);
