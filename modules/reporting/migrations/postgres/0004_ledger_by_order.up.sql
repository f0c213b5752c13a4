-- What happened to one order, for the standing check of the sums.
CREATE INDEX sales_ledger_of_order ON sales_ledger (order_id);
