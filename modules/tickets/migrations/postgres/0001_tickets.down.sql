DROP TABLE scans;
DROP TABLE tickets;
