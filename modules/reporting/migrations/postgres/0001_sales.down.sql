DROP TABLE sources;
DROP TABLE admissions;
DROP TABLE sold_orders;
DROP TABLE reported_events;
