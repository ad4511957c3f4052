SELECT series, stream, sum(value) + coalesce(arg_min(cumulative - value, time), 0)
FROM points
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until)
GROUP BY series, stream
