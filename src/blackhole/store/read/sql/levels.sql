-- The sum of the series' means, for guarded levels, whose windows hold one value each.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp{factors}),
found AS (
    SELECT c.grp, p.series, epoch_ns(p.time) AS time, p.value{times} AS value
    FROM recent_points AS p JOIN chosen AS c ON c.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
),
means AS (
    SELECT grp, series, {bucket:time} AS bucket, avg(value) AS mean, count(*) AS points
    FROM found
    GROUP BY grp, series, bucket
)
SELECT grp, bucket, {value} AS value, sum(points)::BIGINT AS samples{more}
FROM means
GROUP BY grp, bucket
ORDER BY grp, bucket
