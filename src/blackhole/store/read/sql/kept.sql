chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp{factors}),
known AS (
    SELECT s.attributes::VARCHAR AS attributes, any_value(c.grp) AS grp{factor}
    FROM chosen AS c JOIN series AS s ON s.id = c.id
    GROUP BY ALL
),
wide AS (
{widths}),
-- Only hours and days that lie within the range, and each in one bucket.
kept AS (
    SELECT k.grp, k.attributes, epoch_us(a.time_bucket) * 1000 AS time, w.width, max(a.sample_count) AS samples,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'sum'){times} AS total,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'avg'){times} AS mean,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'min'){times} AS least,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'max'){times} AS most
    FROM metric_aggregates AS a JOIN known AS k ON k.attributes = a.attributes::VARCHAR
    JOIN wide AS w ON w.day = date_trunc('day', a.time_bucket)
    WHERE a.metric_name = $metric AND a.time_bucket >= make_timestamp($from // 1000) AND epoch_us(a.time_bucket) * 1000 >= $from
        AND epoch_us(a.time_bucket) * 1000 + w.width <= $until AND {bucket:epoch_us(a.time_bucket) * 1000} = {bucket:(epoch_us(a.time_bucket) * 1000 + w.width - 1)}
    GROUP BY k.grp, k.attributes, a.time_bucket, w.width{by_factor}
)
