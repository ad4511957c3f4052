SELECT series, list(epoch_ns(time) // 1000000), list(value)
FROM points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
GROUP BY series
