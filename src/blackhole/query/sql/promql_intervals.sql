SELECT series, epoch_ns(time) // 1000000, count::DOUBLE, sum, bounds, buckets::DOUBLE[]
FROM histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
ORDER BY series, time
