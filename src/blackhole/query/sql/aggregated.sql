-- What old points became: sums by hour or day, by the bucket that they fill, and whether they lie in it and the range as a
-- whole. Rows do not say how long they are: hours are those of days that have any but the first.
WITH chosen AS (SELECT unnest($attributes::VARCHAR[]) AS attributes, unnest($groups::UINTEGER[]) AS grp),
kept AS (
    SELECT attributes::VARCHAR AS attributes, epoch_ns(time_bucket) AS time, aggregation_type AS kind,
        aggregated_value AS value, sample_count AS samples
    FROM metric_aggregates
    WHERE metric_name = $metric
        AND time_bucket >= make_timestamp($from // 86400000000000 * 86400000000)
        AND time_bucket < make_timestamp($until // 86400000000000 * 86400000000 + 86400000000)
),
hourly AS (SELECT DISTINCT time // 86400000000000 AS day FROM kept WHERE time % 86400000000000 <> 0),
measured AS (
    SELECT c.grp, k.time, k.kind, k.value, k.samples,
        CASE WHEN h.day IS NULL THEN 86400000000000 ELSE 3600000000000 END AS width
    FROM kept AS k JOIN chosen AS c ON c.attributes = k.attributes
        LEFT JOIN hourly AS h ON h.day = k.time // 86400000000000
)
SELECT grp, {bucket:time} AS bucket, time >= $from AND time + width <= $until AND {bucket:time} = {bucket:(time + width - 1)} AS whole,
    (sum(samples) FILTER (kind = 'sum'))::BIGINT, sum(value) FILTER (kind = 'sum'), min(value) FILTER (kind = 'min'),
    max(value) FILTER (kind = 'max'), max(width), max(time + width)
FROM measured
WHERE time + width > $from AND time < $until
GROUP BY grp, bucket, whole
ORDER BY grp, bucket, whole
