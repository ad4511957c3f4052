SELECT
    series,
    bounds,
    list(epoch_ns(time) // 1000000),
    list(count::DOUBLE),
    list(sum),
    flatten(list(buckets)),
    count(DISTINCT stream),
    coalesce(list(epoch_ns(time) // 1000000) FILTER (cumulative_count = count), []),
    arg_min_null(cumulative_count, time)::DOUBLE,
    arg_min_null(cumulative_sum, time),
    arg_min_null(CASE WHEN cumulative_bounds = bounds THEN cumulative_buckets END, time)
FROM histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
GROUP BY series, bounds
