-- As numbers.sql: whole hours, from $whole_from until $whole_until, by the sums beside the chunks, what is around them and what is not sealed by its points.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
sealed AS (
    SELECT c.grp, k.rowid AS chunk, epoch_ns(k.start) AS start, k.step, k.kind, k.base::DOUBLE AS base, pow(10, k.scale) AS tens,
        unnest(range(k.count::BIGINT)) AS place, unnest(k.offsets) AS away, coalesce(unnest(k.tiny_steps), unnest(k.short_steps), unnest(k.steps), unnest(k.long_steps))::DOUBLE AS moved, unnest(k.reals) AS real
    FROM chunks AS k JOIN chosen AS c ON c.id = k.series
    WHERE k.last >= make_timestamp_ns($from) AND k.start < make_timestamp_ns($until)
        AND (k.start < make_timestamp_ns($whole_from) OR k.last >= make_timestamp_ns($whole_until))
),
around AS (
    SELECT grp, start + place * step + coalesce(away, 0) AS time, CASE kind WHEN 0 THEN real ELSE moved / tens END AS value
    FROM sealed
    WHERE kind IN (0, 3, 4)
    UNION ALL
    SELECT grp, start + place * step + coalesce(away, 0),
        (base + sum(moved) OVER (PARTITION BY chunk ORDER BY place ROWS UNBOUNDED PRECEDING)) / tens
    FROM sealed
    WHERE kind IN (1, 2)
),
single AS (
    SELECT c.grp, epoch_ns(p.time) AS time, p.value
    FROM recent_points AS p JOIN chosen AS c ON c.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
    UNION ALL
    SELECT grp, time, value FROM around
    WHERE time >= $from AND time < $until AND (time < $whole_from OR time >= $whole_until)
),
hours AS (
    SELECT c.grp, epoch_ns(k.start) // 3600000000000 + unnest(range(len(k.samples))) AS hour, unnest(k.samples) AS samples, unnest(k.totals) AS total
    FROM chunks AS k JOIN chosen AS c ON c.id = k.series
    WHERE k.last >= make_timestamp_ns($whole_from) AND k.start < make_timestamp_ns($whole_until)
),
found AS (
    SELECT grp, time // $step * $step AS bucket, 1 AS samples, value AS total
    FROM single
    UNION ALL
    SELECT grp, hour * 3600000000000 // $step * $step, samples, total
    FROM hours
    WHERE samples > 0 AND hour >= $whole_from // 3600000000000 AND hour < $whole_until // 3600000000000
)
SELECT grp, bucket, {value} AS value, sum(samples)::BIGINT AS samples
FROM found
GROUP BY grp, bucket
ORDER BY grp, bucket
