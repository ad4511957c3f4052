-- Like numbers.sql, by hours. Whole hours from $whole_from until $whole_until come from the sums beside the chunks.
-- What is not sealed, and parts of hours around them, come from points; samples says where in a chunk these are.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp{factors}),
broken AS (
    SELECT *, 2 * rowid AS chunk, $from // 3600000000000 AS hour FROM chunks
    WHERE $from < $whole_from AND last >= make_timestamp_ns($from) AND start < make_timestamp_ns($whole_from)
    UNION ALL
    SELECT *, 2 * rowid + 1, $until // 3600000000000 FROM chunks
    WHERE $whole_until < $until AND last >= make_timestamp_ns($whole_until) AND start < make_timestamp_ns($until)
),
placed AS (
    SELECT c.grp{factor}, k.* EXCLUDE (start), epoch_ns(k.start) AS start, k.hour - epoch_ns(k.start) // 3600000000000 AS nth
    FROM broken AS k JOIN chosen AS c ON c.id = k.series
),
counted AS (
    SELECT * REPLACE (steps_of(tiny_steps, reach, far) AS tiny_steps, steps_of(short_steps, reach, far) AS short_steps), coalesce(list_sum(samples[:nth]), 0)::BIGINT AS before, samples[nth + 1]::BIGINT AS inside
    FROM placed
),
sliced AS (
    SELECT grp{carried}, chunk, start, step, kind, pow(10, scale) AS tens, range(before, before + inside) AS places,
        base::DOUBLE + coalesce(list_sum(tiny_steps[:before]), list_sum(short_steps[:before]), list_sum(steps[:before]), list_sum(long_steps[:before]), 0) AS base,
        offsets[before + 1:before + inside] AS offsets, tiny_steps[before + 1:before + inside] AS tiny_steps,
        short_steps[before + 1:before + inside] AS short_steps, steps[before + 1:before + inside] AS steps,
        long_steps[before + 1:before + inside] AS long_steps, reals[before + 1:before + inside] AS reals
    FROM counted
),
sealed AS (
    SELECT grp{carried}, chunk, start, step, kind, base, tens, unnest(places) AS place, unnest(offsets) AS away,
        coalesce(unnest(tiny_steps), unnest(short_steps), unnest(steps), unnest(long_steps))::DOUBLE AS moved, unnest(reals) AS real
    FROM sliced
),
around AS (
    SELECT grp, start + place * step + coalesce(away, 0) AS time, CASE kind WHEN 0 THEN real ELSE moved / tens END{times} AS value
    FROM sealed
    WHERE kind IN (0, 3, 4)
    UNION ALL
    SELECT grp, start + place * step + coalesce(away, 0),
        (base + sum(moved) OVER (PARTITION BY chunk ORDER BY place ROWS UNBOUNDED PRECEDING)) / tens{times}
    FROM sealed
    WHERE kind IN (1, 2)
),
single AS (
    SELECT c.grp, epoch_ns(p.time) AS time, p.value{times} AS value
    FROM recent_points AS p JOIN chosen AS c ON c.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
    UNION ALL
    SELECT grp, time, value FROM around
    WHERE time >= $from AND time < $until
),
hours AS (
    SELECT c.grp, epoch_ns(k.start) // 3600000000000 + unnest(range(len(k.samples))) AS hour, unnest(k.samples) AS samples, unnest(k.totals){times} AS total
    FROM chunks AS k JOIN chosen AS c ON c.id = k.series
    WHERE k.last >= make_timestamp_ns($whole_from) AND k.start < make_timestamp_ns($whole_until)
),
found AS (
    SELECT grp, {bucket:time} AS bucket, 1 AS samples, value AS total
    FROM single
    UNION ALL
    SELECT grp, {bucket:hour * 3600000000000}, samples, total
    FROM hours
    WHERE samples > 0 AND hour >= $whole_from // 3600000000000 AND hour < $whole_until // 3600000000000
)
SELECT grp, bucket, {value} AS value, sum(samples)::BIGINT AS samples{more}
FROM found
GROUP BY grp, bucket
ORDER BY grp, bucket
