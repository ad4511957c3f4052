SELECT series, bounds, list(epoch_ns(time) // 1000000 ORDER BY time), list(noisy ORDER BY time)
FROM released_lists
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
GROUP BY series, bounds
