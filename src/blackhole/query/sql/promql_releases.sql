SELECT series, epoch_ns(time) // 1000000, bounds, noisy
FROM released_lists
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
ORDER BY series, time
