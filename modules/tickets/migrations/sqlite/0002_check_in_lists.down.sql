DROP INDEX scans_of_list;
ALTER TABLE scans DROP COLUMN list_id;
DROP TABLE conflicts;
DROP TABLE check_in_lists;
