-- Holds without an order are forgotten a day after their end. Stocks that have such holds wake for it.
INSERT INTO timers (category, stream, due)
SELECT DISTINCT 'stock', held.stream, (unixepoch() + 86400) * 1000000 FROM events held
WHERE held.category = 'stock' AND held.type = 'places_held' AND held.payload ->> 'order_id' IS NULL
AND held.payload ->> 'hold_id' NOT IN (
    SELECT taken.payload ->> 'hold_id' FROM events taken
    WHERE taken.category = 'stock' AND taken.type = 'hold_taken'
)
ON CONFLICT DO NOTHING;
