-- At which rates rows of some series were kept, where not all were; what windows release (stream 0) is never thinned.
SELECT DISTINCT t.sampling_rate
FROM {recent} AS p JOIN thinned AS t ON t.created_at = p.created_at
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND p.stream <> 0
    AND p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
