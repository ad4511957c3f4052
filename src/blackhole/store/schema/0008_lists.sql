-- A few steps that are far from the others would make all steps of a chunk wide. Such steps are stored in `far`, in
-- rising order. A step s > reach means far[s - reach]; s < -reach means far counted from the end.
ALTER TABLE chunks ADD COLUMN reach SMALLINT;
ALTER TABLE chunks ADD COLUMN far SMALLINT[];

CREATE MACRO steps_of(near, reach, far) AS CASE
    WHEN reach IS NULL THEN near
    ELSE list_transform(near, lambda step: CASE WHEN abs(step) > reach THEN far[step - sign(step) * reach] ELSE step END)
END;

DROP VIEW metrics;
DROP VIEW points;
DROP VIEW every_point;
DROP VIEW histogram_points;
DROP VIEW every_histogram_point;

-- `first`, `last` and `series` are known of a chunk before it is unpacked, so conditions on them skip chunks.
CREATE VIEW every_point AS
SELECT 5 * rowid AS id, series, stream, time, value, cumulative, created_at, time AS first, time AS last
FROM recent_points
UNION ALL
SELECT
    5 * (8192 * chunk + place) + 3,
    series,
    stream,
    make_timestamp_ns(epoch_ns(start) + place * step + coalesce(away, 0)),
    CASE kind
        WHEN 0 THEN real
        WHEN 3 THEN moved / pow(10, scale)
        WHEN 4 THEN reached / pow(10, scale) - (reached - moved) / pow(10, scale)
        ELSE reached / pow(10, scale)
    END,
    CASE WHEN kind = 0 THEN sent WHEN kind IN (2, 4) THEN reached / pow(10, scale) END,
    created_at,
    start,
    last
FROM (
    SELECT *, base + sum(moved) OVER (
        PARTITION BY series, stream, chunk, start, last ORDER BY place ROWS UNBOUNDED PRECEDING) AS reached
    FROM (
        SELECT rowid AS chunk, series, stream, start, last, step, kind, scale, base::DOUBLE AS base, created_at,
            unnest(range(count::BIGINT)) AS place, unnest(offsets) AS away,
            coalesce(unnest(steps_of(tiny_steps, reach, far)), unnest(steps_of(short_steps, reach, far)),
                unnest(steps), unnest(long_steps))::DOUBLE AS moved,
            unnest(reals) AS real, unnest(cumulatives) AS sent
        FROM chunks
    )
);

CREATE VIEW points AS
SELECT series, stream, time, value, cumulative, created_at FROM every_point;

-- list_select is used, because a slice would copy the whole list for each point.
CREATE VIEW every_histogram_point AS
SELECT 5 * rowid + 1 AS id, series, stream, time, count, sum, min, max, bounds, buckets,
    cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets, created_at, time AS first, time AS last
FROM recent_histogram_points
UNION ALL
SELECT
    5 * (8192 * chunk + place) + 4,
    series,
    stream,
    make_timestamp_ns(epoch_ns(start) + place * step + coalesce(away, 0)),
    observed,
    total,
    least,
    most,
    bounds,
    CASE WHEN width IS NOT NULL THEN list_select(buckets, range(place * width + 1, (place + 1) * width + 1)) END,
    CASE WHEN place + 1 = points THEN cumulative_count END,
    CASE WHEN place + 1 = points THEN cumulative_sum END,
    CASE WHEN place + 1 = points THEN cumulative_bounds END,
    CASE WHEN place + 1 = points THEN cumulative_buckets END,
    created_at,
    start,
    last
FROM (
    SELECT rowid AS chunk, series, stream, start, last, step, count AS points, bounds, width, buckets,
        cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets, created_at,
        unnest(range(count::BIGINT)) AS place, unnest(offsets) AS away, unnest(counts) AS observed,
        unnest(sums) AS total, unnest(mins) AS least, unnest(maxs) AS most
    FROM histogram_chunks
);

CREATE VIEW histogram_points AS
SELECT series, stream, time, count, sum, min, max, bounds, buckets,
    cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets, created_at
FROM every_histogram_point;

CREATE VIEW metrics AS
SELECT
    p.id,
    CAST(p.time AS TIMESTAMP) AS timestamp,
    s.metric AS metric_name,
    s.type AS metric_type,
    p.value AS value,
    s.attributes AS attributes,
    s.node_id AS node_id,
    s.privacy_level AS privacy_level,
    p.created_at AS created_at
FROM every_point AS p JOIN series AS s ON s.id = p.series
UNION ALL
SELECT
    h.id,
    CAST(h.time AS TIMESTAMP),
    s.metric,
    s.type,
    h.sum / h.count,
    s.attributes,
    s.node_id,
    s.privacy_level,
    h.created_at
FROM every_histogram_point AS h JOIN series AS s ON s.id = h.series
WHERE h.count > 0 AND h.sum IS NOT NULL
UNION ALL
SELECT
    5 * l.rowid + 2,
    CAST(l.time AS TIMESTAMP),
    s.metric,
    s.type,
    l.noisy[1] / l.noisy[2],
    s.attributes,
    s.node_id,
    s.privacy_level,
    l.created_at
FROM released_lists AS l JOIN series AS s ON s.id = l.series
WHERE l.bounds IS NULL AND l.noisy[2] > 0;
