-- Joins buckets of points with the sums that retention has kept for the same buckets. Either may be missing.
WITH points AS ({points}),
sums AS ({sums})
SELECT coalesce(p.grp, s.grp) AS grp, coalesce(p.bucket, s.bucket) AS bucket, {value} AS value,
    (coalesce(p.samples, 0) + coalesce(s.samples, 0))::BIGINT AS samples{more}
FROM points AS p FULL JOIN sums AS s ON s.grp = p.grp AND s.bucket = p.bucket
ORDER BY ALL
