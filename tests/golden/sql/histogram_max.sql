WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
found AS (
    SELECT c.grp, h.time, h.count, h.sum, h.sum / h.count AS value, epoch_ns(h.time) // $step * $step AS bucket
    FROM histogram_points AS h JOIN chosen AS c ON c.id = h.series
    WHERE h.time >= make_timestamp_ns($from) AND h.time < make_timestamp_ns($until) AND h.count > 0
)
SELECT grp, bucket, max(value) AS value, count(*) AS samples
FROM found
GROUP BY grp, bucket
ORDER BY grp, bucket
