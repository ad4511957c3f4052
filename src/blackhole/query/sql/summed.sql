-- What retention has summed up of some series, by bucket: hours and days that lie in the range, and each in one bucket.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
known AS (
    SELECT s.attributes::VARCHAR AS attributes, any_value(c.grp) AS grp
    FROM chosen AS c JOIN series AS s ON s.id = c.id
    GROUP BY ALL
),
wide AS ({widths}),
kept AS (
    SELECT k.grp, epoch_us(a.time_bucket) * 1000 AS time, w.width, max(a.sample_count) AS samples,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'sum') AS total,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'avg') AS mean,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'min') AS least,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'max') AS most
    FROM metric_aggregates AS a JOIN known AS k ON k.attributes = a.attributes::VARCHAR
    JOIN wide AS w ON w.day = date_trunc('day', a.time_bucket)
    WHERE a.metric_name = $metric AND a.time_bucket >= make_timestamp($from // 1000)
        AND a.time_bucket < make_timestamp($until // 1000)
    GROUP BY k.grp, a.attributes::VARCHAR, a.time_bucket, w.width
)
SELECT grp, {bucket:time} AS bucket, sum(samples)::BIGINT AS samples, sum(total) AS total,
    sum(CASE WHEN mean <> 0 THEN total / mean ELSE samples END) AS parts, min(least) AS least, max(most) AS most
FROM kept
WHERE time >= $from AND time + width <= $until AND $step % width = 0
GROUP BY grp, bucket
