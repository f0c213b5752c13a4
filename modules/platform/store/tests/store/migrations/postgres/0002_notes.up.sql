CREATE TABLE notes (
    id         uuid NOT NULL PRIMARY KEY,
    text       text,
    amount     bigint,
    fraction   double precision,
    is_kept    boolean,
    written_at timestamptz,
    extra      jsonb
);
