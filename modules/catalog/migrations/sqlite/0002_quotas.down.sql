UPDATE event_view SET ticket_types = (
    SELECT json_group_array(json_set(
        ticket_type.value,
        '$.capacity',
        json(coalesce(
            (
                SELECT quota.value -> '$.capacity'
                FROM json_each(event_view.quotas) AS quota
                WHERE quota.value ->> '$.quota_id' = ticket_type.value ->> '$.id'
            ),
            '{"kind":"limited","places":0}'
        ))
    ))
    FROM json_each(event_view.ticket_types) AS ticket_type
);

ALTER TABLE event_view DROP COLUMN quotas;
ALTER TABLE event_view DROP COLUMN tax_rounding;
