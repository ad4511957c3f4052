-- The lowest share of rows that was kept of any of the series; what windows release (stream 0) is never thinned.
SELECT min(t.sampling_rate)
FROM {table} AS p JOIN thinned AS t ON t.created_at = p.created_at
WHERE p.series IN (SELECT unnest($ids::UINTEGER[])) AND p.stream <> 0
    AND p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
