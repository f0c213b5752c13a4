DROP TABLE write_probe;
DROP TABLE idempotency_keys;
DROP TABLE leases;
DROP TABLE dead_letters;
DROP TABLE consumers;
DROP TABLE timers;
DROP TABLE snapshots;
DROP TABLE events;
