-- Quotas beside the ticket types that draw on them: each ticket type gets one of its own, of the
-- capacity that it had to itself. And how the taxes of orders are rounded.

ALTER TABLE event_view ADD COLUMN tax_rounding text NOT NULL DEFAULT 'per_line'
    CHECK (tax_rounding IN ('per_line', 'per_order'));

ALTER TABLE event_view ADD COLUMN quotas jsonb NOT NULL DEFAULT '[]';

UPDATE event_view SET quotas = coalesce((
    SELECT jsonb_agg(jsonb_build_object(
        'quota_id', ticket_type -> 'id',
        'name', ticket_type -> 'name',
        'capacity', ticket_type -> 'capacity',
        'ticket_type_ids', jsonb_build_array(ticket_type -> 'id')
    ) ORDER BY place)
    FROM jsonb_array_elements(event_view.ticket_types) WITH ORDINALITY AS listed (ticket_type, place)
), '[]');

UPDATE event_view SET ticket_types = coalesce((
    SELECT jsonb_agg(ticket_type - 'capacity' ORDER BY place)
    FROM jsonb_array_elements(event_view.ticket_types) WITH ORDINALITY AS listed (ticket_type, place)
), '[]');
