-- Recent rows of some histogram series in one block into chunks per stream and bounds, of some 2,048 counts: to read one,
-- DuckDB loads the lists of as many chunks.
INSERT INTO histogram_chunks
WITH found AS (
    SELECT p.*, s.metric, t.sampling_rate, epoch_ns(p.time) AS moment, len(p.buckets) AS width, p.rowid AS number
    FROM recent_histogram_points AS p JOIN series AS s ON s.id = p.series
        LEFT JOIN thinned AS t ON t.created_at = p.created_at
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until) AND p.stream > 0
        AND p.created_at < make_timestamp($settled) AND p.series IN (SELECT unnest($ids::UINTEGER[]))
),
placed AS (
    SELECT *, row_number() OVER (PARTITION BY series, stream, bounds, width ORDER BY moment, number) - 1 AS place FROM found
),
sized AS (SELECT *, greatest(2048 // greatest(coalesce(width, 0), 1), 8) AS most FROM placed),
parted AS (SELECT *, place // most AS part, place % most AS nth FROM sized),
spaced AS (
    SELECT *, min(moment) OVER w AS start,
        CASE WHEN count(*) OVER w > 1 THEN (max(moment) OVER w - min(moment) OVER w) // (count(*) OVER w - 1) ELSE 0 END AS step
    FROM parted
    WINDOW w AS (PARTITION BY series, stream, bounds, width, part)
),
grouped AS (
    SELECT metric, series, stream, bounds, width, part, start, max(moment) AS last, any_value(step) AS step, count(*) AS points,
        list(moment - start - nth * step ORDER BY nth) AS offsets,
        list(count ORDER BY nth) AS counts, list(sum ORDER BY nth) AS sums, list(min ORDER BY nth) AS mins,
        list(max ORDER BY nth) AS maxs, flatten(list(buckets ORDER BY nth)) AS buckets, count(min) + count(max) AS edges,
        max_by(struct_pack(cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets), nth) AS state,
        min(sampling_rate) AS sampling_rate, max(created_at) AS created_at
    FROM spaced
    GROUP BY metric, series, stream, bounds, width, part, start
)
SELECT series, stream, make_timestamp_ns(start), make_timestamp_ns(last), step, points,
    CASE WHEN list_bool_or(list_transform(offsets, lambda away: away <> 0)) THEN offsets END,
    bounds, width, counts, sums, CASE WHEN edges > 0 THEN mins END, CASE WHEN edges > 0 THEN maxs END,
    CASE WHEN width IS NOT NULL THEN buckets END,
    state.cumulative_count, state.cumulative_sum, state.cumulative_bounds, state.cumulative_buckets,
    sampling_rate, created_at
FROM grouped
ORDER BY min(series) OVER (PARTITION BY metric), series, stream, start
