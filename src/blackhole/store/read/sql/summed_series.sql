-- The sums that retention has kept of some series, by bucket. For levels: the sum of the series' means.
WITH {kept},
each AS (
    SELECT grp, attributes, {bucket:time} AS bucket, sum(samples) AS samples, sum(total) AS total,
        sum(CASE WHEN mean <> 0 THEN total / mean ELSE samples END) AS parts
    FROM kept
    GROUP BY grp, attributes, bucket
)
SELECT grp, bucket, sum(samples)::BIGINT, sum(total), sum(total / nullif(parts, 0))
FROM each
GROUP BY grp, bucket
ORDER BY grp, bucket
