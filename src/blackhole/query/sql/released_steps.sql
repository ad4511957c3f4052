-- Which increments of which running total are in a bucket; how many series have just these.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
noise AS (
    SELECT window_start, any_value(mechanism) AS mechanism, max(scale) AS scale,
        any_value(factorisation) AS factorisation, any_value(step) AS step
    FROM releases
    WHERE metric = $metric AND NOT lost AND factorisation IS NOT NULL
        AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
    GROUP BY window_start
),
found AS (
    SELECT c.grp, {bucket:epoch_ns(p.time)} AS bucket, p.series, n.factorisation,
        any_value(n.mechanism) AS mechanism, max(n.scale) AS scale, list(n.step ORDER BY n.step) AS steps
    FROM recent_points AS p JOIN chosen AS c ON c.id = p.series JOIN noise AS n ON n.window_start = p.time
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
    GROUP BY c.grp, bucket, p.series, n.factorisation
)
SELECT grp, bucket, mechanism, scale, steps, count(*)
FROM found
GROUP BY grp, bucket, mechanism, scale, factorisation, steps
