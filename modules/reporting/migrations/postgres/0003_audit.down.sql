DROP TABLE audit_records;
DELETE FROM consumers WHERE consumer = 'audit';
