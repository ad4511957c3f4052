-- What old points became: sums by hour or day, by the bucket that they fill, and whether they lie in it and the range as a
-- whole. Rows do not say how long they are: hours are those of days that have any but the first.
WITH chosen AS (SELECT unnest($attributes::VARCHAR[]) AS attributes, unnest($groups::UINTEGER[]) AS grp),
summed AS (
    SELECT c.grp, c.attributes, epoch_ns(a.time_bucket) AS time, max(a.sample_count) AS samples,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'sum') AS total,
        min(a.aggregated_value) FILTER (a.aggregation_type = 'min') AS least,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'max') AS most
    FROM metric_aggregates AS a JOIN chosen AS c ON c.attributes = a.attributes::VARCHAR
    WHERE a.metric_name = $metric
        AND a.time_bucket >= make_timestamp($from // 86400000000000 * 86400000000)
        AND a.time_bucket < make_timestamp($until // 86400000000000 * 86400000000 + 86400000000)
    GROUP BY ALL
),
measured AS (
    SELECT *, CASE
            WHEN bool_or(time % 86400000000000 <> 0) OVER (PARTITION BY attributes, time // 86400000000000)
            THEN 3600000000000
            ELSE 86400000000000
        END AS width
    FROM summed
)
SELECT grp, {bucket:time} AS bucket, time >= $from AND time + width <= $until AND {bucket:time} = {bucket:(time + width - 1)} AS whole,
    sum(samples)::BIGINT, sum(total), min(least), max(most), max(width), max(time + width)
FROM measured
WHERE time + width > $from AND time < $until
GROUP BY ALL
ORDER BY ALL
