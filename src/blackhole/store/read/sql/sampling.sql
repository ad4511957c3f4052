-- The lowest share of rows that was kept of any of the series; what windows release (stream 0) is never thinned.
SELECT min(sampling_rate)
FROM (
    SELECT t.sampling_rate
    FROM recent_{table} AS p JOIN thinned AS t ON t.created_at = p.created_at
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND p.stream <> 0
        AND p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
    UNION ALL
    SELECT k.sampling_rate
    FROM {chunks} AS k
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND k.sampling_rate IS NOT NULL
        AND k.last >= make_timestamp_ns($from) AND k.start < make_timestamp_ns($until)
)
