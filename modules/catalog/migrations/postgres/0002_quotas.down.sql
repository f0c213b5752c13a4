UPDATE event_view SET ticket_types = coalesce((
    SELECT jsonb_agg(jsonb_set(
        ticket_type,
        '{capacity}',
        coalesce(
            (
                SELECT quota -> 'capacity'
                FROM jsonb_array_elements(event_view.quotas) AS quota
                WHERE quota ->> 'quota_id' = ticket_type ->> 'id'
            ),
            '{"kind": "limited", "places": 0}'
        )
    ) ORDER BY place)
    FROM jsonb_array_elements(event_view.ticket_types) WITH ORDINALITY AS listed (ticket_type, place)
), '[]');

ALTER TABLE event_view DROP COLUMN quotas;
ALTER TABLE event_view DROP COLUMN tax_rounding;
