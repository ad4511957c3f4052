SELECT
    series,
    bounds,
    list(epoch_ns(time) // 1000000),
    list(count::DOUBLE),
    list(sum),
    flatten(list(buckets))
FROM histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
GROUP BY series, bounds
