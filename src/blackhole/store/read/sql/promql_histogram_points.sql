SELECT series, stream, epoch_ns(time) AS time, count, sum, bounds, buckets,
    cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets
FROM recent_histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
