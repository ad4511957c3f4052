SELECT series, stream, sum(value)
FROM points
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until)
GROUP BY series, stream
