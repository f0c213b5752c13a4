-- Quotas beside the ticket types that draw on them: each ticket type gets one of its own, of the
-- capacity that it had to itself. And how the taxes of orders are rounded.

ALTER TABLE event_view ADD COLUMN tax_rounding TEXT NOT NULL DEFAULT 'per_line'
    CHECK (tax_rounding IN ('per_line', 'per_order'));

ALTER TABLE event_view ADD COLUMN quotas TEXT NOT NULL DEFAULT '[]';

UPDATE event_view SET quotas = (
    SELECT json_group_array(json_object(
        'quota_id', ticket_type.value ->> '$.id',
        'name', ticket_type.value ->> '$.name',
        'capacity', json(ticket_type.value -> '$.capacity'),
        'ticket_type_ids', json_array(ticket_type.value ->> '$.id')
    ))
    FROM json_each(event_view.ticket_types) AS ticket_type
);

UPDATE event_view SET ticket_types = (
    SELECT json_group_array(json_remove(ticket_type.value, '$.capacity'))
    FROM json_each(event_view.ticket_types) AS ticket_type
);
