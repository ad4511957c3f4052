-- Recent points stay rows, in these two tables. `points` and `histogram_points` show everything.
ALTER TABLE points RENAME TO recent_points;
ALTER TABLE histogram_points RENAME TO recent_histogram_points;

-- Sealed points: one row per stream and block of two hours or more, at most 8,192 points, in the order of time.
-- Point i (from 0) is at start + i * step + offsets[i]; without offsets it is at start + i * step.
-- The steps of a chunk are in one of four columns, the others are NULL. Those that take eight bits each are bytes of
-- their own (tiny_steps), which fill a disk block: bit packing leaves free what some thousand values would take.
-- samples and totals are what the points come to in each hour that the chunk touches, the first one first.
-- With q = base + the sum of steps[0..i], and p = 10 ** scale, a point's value and cumulative value are, by kind:
--   0  reals[i], cumulatives[i]        as they were: nothing shorter says the same
--   1  q / p, none                     levels
--   2  q / p, q / p                    levels that came as running values
--   3  steps[i] / p, none              increments
--   4  q / p - (the q before) / p, q / p   increments of a running value; `base` is where that was before the block
CREATE TABLE chunks (
    series UINTEGER NOT NULL,
    stream UINTEGER NOT NULL,
    start TIMESTAMP_NS NOT NULL,
    last TIMESTAMP_NS NOT NULL,
    step BIGINT NOT NULL,
    count USMALLINT NOT NULL,
    offsets BIGINT[],
    kind UTINYINT NOT NULL,
    scale UTINYINT NOT NULL,
    base BIGINT NOT NULL,
    tiny_steps TINYINT[],
    short_steps SMALLINT[],
    steps INTEGER[],
    long_steps BIGINT[],
    reals DOUBLE[],
    cumulatives DOUBLE[],
    samples USMALLINT[] NOT NULL,
    totals DOUBLE[] NOT NULL,
    sampling_rate FLOAT,
    created_at TIMESTAMP NOT NULL
);

-- Sealed histogram points with the same bounds. Point i has the `width` counts of buckets from i * width on. The
-- cumulative state is that of the last point; increments tell the state before it.
CREATE TABLE histogram_chunks (
    series UINTEGER NOT NULL,
    stream UINTEGER NOT NULL,
    start TIMESTAMP_NS NOT NULL,
    last TIMESTAMP_NS NOT NULL,
    step BIGINT NOT NULL,
    count USMALLINT NOT NULL,
    offsets BIGINT[],
    bounds DOUBLE[],
    width UINTEGER,
    counts UBIGINT[] NOT NULL,
    sums DOUBLE[] NOT NULL,
    mins DOUBLE[],
    maxs DOUBLE[],
    buckets UBIGINT[],
    cumulative_count UBIGINT,
    cumulative_sum DOUBLE,
    cumulative_bounds DOUBLE[],
    cumulative_buckets UBIGINT[],
    sampling_rate FLOAT,
    created_at TIMESTAMP NOT NULL
);

CREATE VIEW every_point AS
SELECT 5 * rowid AS id, series, stream, time, value, cumulative, created_at
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
    created_at
FROM (
    SELECT *, base + sum(moved) OVER (
        PARTITION BY series, stream, chunk ORDER BY place ROWS UNBOUNDED PRECEDING) AS reached
    FROM (
        SELECT rowid AS chunk, series, stream, start, step, kind, scale, base::DOUBLE AS base, created_at,
            unnest(range(count::BIGINT)) AS place, unnest(offsets) AS away, coalesce(unnest(tiny_steps), unnest(short_steps), unnest(steps), unnest(long_steps))::DOUBLE AS moved,
            unnest(reals) AS real, unnest(cumulatives) AS sent
        FROM chunks
    )
);

CREATE VIEW points AS
SELECT series, stream, time, value, cumulative, created_at FROM every_point;

CREATE VIEW every_histogram_point AS
SELECT 5 * rowid + 1 AS id, series, stream, time, count, sum, min, max, bounds, buckets,
    cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets, created_at
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
    buckets[place * width + 1:(place + 1) * width],
    CASE WHEN place + 1 = points THEN cumulative_count END,
    CASE WHEN place + 1 = points THEN cumulative_sum END,
    CASE WHEN place + 1 = points THEN cumulative_bounds END,
    CASE WHEN place + 1 = points THEN cumulative_buckets END,
    created_at
FROM (
    SELECT rowid AS chunk, series, stream, start, step, count AS points, bounds, width, buckets,
        cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets, created_at,
        unnest(range(count::BIGINT)) AS place, unnest(offsets) AS away, unnest(counts) AS observed,
        unnest(sums) AS total, unnest(mins) AS least, unnest(maxs) AS most
    FROM histogram_chunks
);

CREATE VIEW histogram_points AS
SELECT series, stream, time, count, sum, min, max, bounds, buckets,
    cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets, created_at
FROM every_histogram_point;

CREATE OR REPLACE VIEW metrics AS
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
