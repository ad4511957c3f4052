-- The rows do not say how long they are. A day whose rows are all of midnight has one daily sum.
SELECT date_trunc('day', time_bucket) AS day,
    CASE WHEN bool_or(time_bucket <> date_trunc('day', time_bucket)) THEN 3600000000000 ELSE 86400000000000 END AS width
FROM metric_aggregates
WHERE metric_name = $metric AND time_bucket >= date_trunc('day', make_timestamp($from // 1000))
    AND time_bucket < date_trunc('day', make_timestamp(($until - 1) // 1000)) + INTERVAL 1 DAY
GROUP BY day
