-- The lowest share of rows that was kept of any of the series.
SELECT min(sampling_rate)
FROM {table}
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
