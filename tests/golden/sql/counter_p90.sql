WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
found AS (
    SELECT c.grp, p.time, p.value, epoch_ns(p.time) // $step * $step AS bucket
    FROM points AS p JOIN chosen AS c ON c.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
)
SELECT grp, bucket, quantile_cont(value, 0.9) AS value, count(*) AS samples
FROM found
GROUP BY grp, bucket
ORDER BY grp, bucket
