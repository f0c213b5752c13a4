-- What was queued before there was mail is told to nobody any more; that is no news to anybody, and
-- the orders it was about are in orders.
DELETE FROM notifications WHERE organizer_id IS NULL;
