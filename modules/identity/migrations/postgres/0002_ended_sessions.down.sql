ALTER TABLE accounts DROP COLUMN spared_session;
ALTER TABLE accounts DROP COLUMN session_epoch;
