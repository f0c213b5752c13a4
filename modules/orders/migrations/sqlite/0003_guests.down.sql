DROP INDEX orders_of_guest;
ALTER TABLE orders DROP COLUMN guest_email;
