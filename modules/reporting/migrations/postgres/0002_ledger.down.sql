DROP TABLE order_standings;
DROP TABLE sold_items;
DROP TABLE sales_ledger;
DELETE FROM consumers WHERE consumer = 'sales';
