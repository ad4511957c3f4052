-- The last sealed point of each stream, and the last row of those whose rows are not all read.
SELECT stream, max(last) AS last, arg_max(period, last) AS period, arg_max(arrived, last) AS arrived
FROM (
    SELECT stream, epoch_ns(last) AS last, period, epoch_us(created_at) * 1000 AS arrived
    FROM {chunks}
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND last <= make_timestamp_ns($shown)
    {rows_beyond}
)
GROUP BY stream
