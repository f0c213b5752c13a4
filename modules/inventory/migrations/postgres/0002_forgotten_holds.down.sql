-- Timers go with the next change of their stock.
SELECT 1;
