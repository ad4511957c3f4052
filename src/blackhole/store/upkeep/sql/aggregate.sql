-- Sums up a slice of time by series and bucket, together with what earlier slices of the same buckets came to.
CREATE TEMP TABLE fresh AS
WITH chosen AS (SELECT id, metric, attributes::VARCHAR AS attributes, privacy_level >= 2 AS guarded FROM series WHERE id IN (SELECT unnest($ids::UINTEGER[]))),
distributions AS (
    SELECT series, epoch_ns(time) AS time, count, sum, min, max
    FROM recent_histogram_points
    WHERE time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
        AND rowid NOT IN (SELECT unnest($of_recent_histogram_points::BIGINT[]))
    UNION ALL
    SELECT series, start + place * step + coalesce(away, 0), observed, total, least, most
    FROM (
        SELECT series, epoch_ns(start) AS start, step, unnest(range(count::BIGINT)) AS place, unnest(offsets) AS away,
            unnest(counts) AS observed, unnest(sums) AS total, unnest(mins) AS least, unnest(maxs) AS most
        FROM histogram_chunks
        WHERE last >= make_timestamp_ns($from) AND last < make_timestamp_ns($until)
    )
),
found AS (
    SELECT series, epoch_ns(time) AS time, 1 AS samples, value AS total, 1 AS parts, value AS least, value AS most
    FROM recent_points
    WHERE time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
        AND rowid NOT IN (SELECT unnest($of_recent_points::BIGINT[]))
    UNION ALL
    SELECT series, start + place * step + coalesce(away, 0), 1, value, 1, value, value
    FROM (
        SELECT *, CASE kind WHEN 0 THEN real WHEN 1 THEN reached / tens WHEN 2 THEN reached / tens ELSE moved / tens END AS value
        FROM (
            SELECT *, base + sum(moved) OVER (PARTITION BY chunk ORDER BY place ROWS UNBOUNDED PRECEDING) AS reached
            FROM (
                SELECT rowid AS chunk, series, epoch_ns(start) AS start, step, kind, base::DOUBLE AS base, pow(10, scale) AS tens,
                    unnest(range(count::BIGINT)) AS place, unnest(offsets) AS away,
                    coalesce(unnest(steps_of(tiny_steps, reach, far)), unnest(steps_of(short_steps, reach, far)), unnest(steps), unnest(long_steps))::DOUBLE AS moved, unnest(reals) AS real
                FROM chunks
                WHERE last >= make_timestamp_ns($from) AND last < make_timestamp_ns($until)
                    AND series IN (SELECT id FROM chosen)
            )
        )
    )
    UNION ALL
    SELECT series, time, count, sum, count, coalesce(min, sum / count), coalesce(max, sum / count)
    FROM distributions
    WHERE count > 0 AND sum IS NOT NULL
    UNION ALL
    SELECT series, epoch_ns(time), 1, noisy[1], noisy[2], noisy[1] / nullif(noisy[2], 0), noisy[1] / nullif(noisy[2], 0)
    FROM released_lists
    WHERE bounds IS NULL AND time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
),
summed AS (
    SELECT c.metric, c.attributes, c.guarded, make_timestamp(f.time // $width * $width // 1000) AS bucket,
        sum(f.samples) AS samples, sum(f.total) AS total, sum(f.parts) AS parts,
        min(f.least) FILTER (NOT c.guarded) AS least, max(f.most) FILTER (NOT c.guarded) AS most
    FROM found AS f JOIN chosen AS c ON c.id = f.series
    GROUP BY ALL
),
earlier AS (
    SELECT a.metric_name AS metric, a.attributes::VARCHAR AS attributes, a.time_bucket AS bucket, max(a.sample_count) AS samples,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'sum') AS total,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'sum') / max(a.aggregated_value) FILTER (a.aggregation_type = 'avg') AS parts,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'min') AS least,
        max(a.aggregated_value) FILTER (a.aggregation_type = 'max') AS most
    FROM metric_aggregates AS a
    -- A chunk whose last point is in the slice may begin a day earlier, and a little.
    WHERE a.time_bucket >= make_timestamp($from // $width * $width // 1000) - INTERVAL 2 DAYS AND a.time_bucket < make_timestamp($until // 1000)
    GROUP BY ALL
)
SELECT s.metric, s.attributes, s.bucket, s.samples + coalesce(e.samples, 0) AS samples, s.total + coalesce(e.total, 0) AS total,
    s.parts + coalesce(CASE WHEN s.guarded AND isfinite(e.parts) THEN e.parts WHEN e.samples IS NOT NULL THEN e.samples END, 0) AS parts,
    least(s.least, e.least) AS least, greatest(s.most, e.most) AS most
FROM summed AS s LEFT JOIN earlier AS e ON e.metric = s.metric AND e.bucket = s.bucket AND e.attributes = s.attributes
