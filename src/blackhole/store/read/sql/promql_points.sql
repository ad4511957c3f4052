SELECT series, stream, epoch_ns(time) AS time, value, cumulative AS sent
FROM recent_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
