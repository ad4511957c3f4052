-- The sums that retention has kept of some series, by bucket.
WITH {kept}
SELECT grp, {bucket:time} AS bucket, sum(samples)::BIGINT AS samples, sum(total) AS total,
    sum(CASE WHEN mean <> 0 THEN total / mean ELSE samples END) AS parts, min(least) AS least, max(most) AS most
FROM kept
GROUP BY grp, bucket
