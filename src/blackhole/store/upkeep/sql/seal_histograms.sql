-- Turns recent rows of some histogram series in one block into chunks by stream and bounds. A chunk has some 2,048
-- counts, because to read one, DuckDB loads the lists of as many chunks. Rows of $sparse metrics have only the bounds
-- around what they met. Rows of a stream get the bounds of all of them, since nothing lies between their own.
CREATE TEMP TABLE sealing AS
WITH chosen AS (
    SELECT p.*, s.metric, s.metric IN (SELECT unnest($sparse::VARCHAR[])) AND p.cumulative_count IS NULL AND len(p.bounds) > 0 AS sparse, t.sampling_rate, epoch_ns(p.time) AS moment, p.rowid AS number
    FROM recent_histogram_points AS p JOIN series AS s ON s.id = p.series
        LEFT JOIN thinned AS t ON t.created_at = p.created_at
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until) AND p.stream > 0
        AND p.rowid NOT IN (SELECT unnest($staying::BIGINT[]))
        AND p.created_at < make_timestamp($settled) AND p.series IN (SELECT unnest($ids::UINTEGER[]))
),
shared AS (
    SELECT series, stream, list_sort(list_distinct(flatten(list(bounds)))) AS every FROM chosen WHERE sparse GROUP BY series, stream
),
lined AS (
    SELECT c.*, s.every, list_transform(c.bounds, lambda bound: list_position(s.every, bound)) AS places
    FROM chosen AS c LEFT JOIN shared AS s ON c.sparse AND s.series = c.series AND s.stream = c.stream
),
-- Where it was counted with other bounds before, a bucket may hold several of the others.
fitting AS (
    SELECT *, every IS NOT NULL AND list_bool_and(list_transform(
        list_zip(buckets, list_prepend(0, places), list_append(places, len(every) + 1)),
        lambda cell: cell[1] = 0 OR cell[3] = cell[2] + 1
    )) AS fits
    FROM lined
),
found AS (
    SELECT * REPLACE (
        CASE WHEN fits THEN every ELSE bounds END AS bounds,
        CASE WHEN fits THEN list_transform(range(1, len(every) + 2), lambda place:
            coalesce(buckets[list_position(list_append(places, len(every) + 1), place)], 0)) ELSE buckets END AS buckets
    ), CASE WHEN fits THEN len(every) + 1 ELSE len(buckets) END AS width
    FROM fitting
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
        min(sampling_rate) AS sampling_rate, max(created_at) AS created_at,
        count(cumulative_count) = 0 AS as_sent
    FROM spaced
    GROUP BY metric, series, stream, bounds, width, part, start
)
SELECT *, row_number() OVER () AS number
FROM (SELECT * FROM grouped ORDER BY min(series) OVER (PARTITION BY metric), series, stream, start)
