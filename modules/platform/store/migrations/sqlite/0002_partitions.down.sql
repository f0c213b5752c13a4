DROP TABLE relays;
DROP TABLE partitions;
