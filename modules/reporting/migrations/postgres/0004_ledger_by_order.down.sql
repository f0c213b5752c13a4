DROP INDEX sales_ledger_of_order;
