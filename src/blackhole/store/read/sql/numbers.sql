WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp{factors}),
sealed AS (
    SELECT c.grp{factor}, k.rowid AS chunk, epoch_ns(k.start) AS start, k.step, k.kind, k.base::DOUBLE AS base, pow(10, k.scale) AS tens,
        unnest(range(k.count::BIGINT)) AS place, unnest(k.offsets) AS away, coalesce(unnest(steps_of(k.tiny_steps, k.reach, k.far)), unnest(steps_of(k.short_steps, k.reach, k.far)), unnest(k.steps), unnest(k.long_steps))::DOUBLE AS moved, unnest(k.reals) AS real
    FROM chunks AS k JOIN chosen AS c ON c.id = k.series
    WHERE k.last >= make_timestamp_ns($from) AND k.start < make_timestamp_ns($until)
),
every AS (
    SELECT c.grp, epoch_ns(p.time) AS time, p.value{times} AS value
    FROM recent_points AS p JOIN chosen AS c ON c.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
    UNION ALL
    SELECT grp, start + place * step + coalesce(away, 0), CASE kind WHEN 0 THEN real ELSE moved / tens END{times}
    FROM sealed
    WHERE kind IN (0, 3, 4)
    UNION ALL
    SELECT grp, start + place * step + coalesce(away, 0),
        (base + sum(moved) OVER (PARTITION BY chunk ORDER BY place ROWS UNBOUNDED PRECEDING)) / tens{times}
    FROM sealed
    WHERE kind IN (1, 2)
),
found AS (SELECT grp, time, value, {bucket:time} AS bucket FROM every WHERE time >= $from AND time < $until)
SELECT grp, bucket, {value} AS value, count(*) AS samples{more}
FROM found
GROUP BY {groups}
ORDER BY grp, bucket
