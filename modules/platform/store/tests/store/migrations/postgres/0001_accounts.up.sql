CREATE TABLE accounts (
    id         uuid        NOT NULL PRIMARY KEY,
    version    bigint      NOT NULL,
    balance    bigint      NOT NULL CHECK (balance > -1000),
    changed_at timestamptz NOT NULL
);
