-- Check-in lists, which of them a scan belongs to, and what devices without a network decided
-- differently.
CREATE TABLE check_in_lists (
    list_id uuid NOT NULL PRIMARY KEY,
    event_id uuid NOT NULL,
    content jsonb NOT NULL
);

CREATE INDEX check_in_lists_of_event ON check_in_lists (event_id, list_id);

CREATE TABLE conflicts (
    conflict_id uuid NOT NULL PRIMARY KEY,
    list_id uuid NOT NULL,
    content jsonb NOT NULL
);

CREATE INDEX conflicts_of_list ON conflicts (list_id, conflict_id);

ALTER TABLE scans ADD COLUMN list_id uuid;
CREATE INDEX scans_of_list ON scans (list_id, scan_id);
