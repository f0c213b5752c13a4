-- How often all sessions of an account have ended, and the one that was spared the last time.
ALTER TABLE accounts ADD COLUMN session_epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN spared_session uuid;
