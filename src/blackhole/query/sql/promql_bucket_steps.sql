WITH placed AS (
    SELECT
        series,
        stream,
        bounds,
        buckets,
        CASE WHEN cumulative_bounds = bounds THEN cumulative_buckets END AS sent,
        epoch_ns(time) // 1000000 AS ms,
        (epoch_ns(time) // 1000000 - $origin - 1) // $step AS bucket,
        $step - 1 - (epoch_ns(time) // 1000000 - $origin - 1) % $step < $length AS inside
    FROM recent_histogram_points
    WHERE series IN (SELECT unnest($ids::UINTEGER[]))
        AND time >= make_timestamp_ns($from)
        AND time < make_timestamp_ns($until)
)
SELECT
    series,
    bucket,
    count(*) FILTER (inside),
    min(ms) FILTER (inside),
    max(ms) FILTER (inside),
    (arg_min_null(sent, ms) FILTER (inside))::DOUBLE[],
    (arg_min(buckets, ms) FILTER (inside))::DOUBLE[],
    {within},
    {total},
    bounds,
    min(stream) = max(stream)
FROM placed
GROUP BY series, bounds, bucket
ORDER BY series, bucket
