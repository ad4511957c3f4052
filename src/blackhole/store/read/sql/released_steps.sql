-- Which increments of a running total are in a bucket, and how many series have exactly these.
WITH {kept},
noise AS (
    SELECT window_start, any_value(mechanism) AS mechanism, max(scale) AS scale,
        any_value(factorisation) AS factorisation, any_value(step) AS step
    FROM releases
    WHERE metric = $metric AND NOT lost AND factorisation IS NOT NULL
        AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
    GROUP BY window_start
),
{spread},
windows AS (
    SELECT c.grp, s.attributes::VARCHAR AS attributes, p.time
    FROM recent_points AS p JOIN chosen AS c ON c.id = p.series JOIN series AS s ON s.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
    UNION ALL
    SELECT grp, attributes, time FROM spread
),
found AS (
    SELECT p.grp, {bucket:epoch_ns(p.time)} AS bucket, n.factorisation,
        any_value(n.mechanism) AS mechanism, max(n.scale) AS scale, list(n.step ORDER BY n.step) AS steps
    FROM windows AS p JOIN noise AS n ON n.window_start = p.time
    GROUP BY p.grp, bucket, p.attributes, n.factorisation
)
SELECT grp, bucket, mechanism, scale, steps, count(*)
FROM found
GROUP BY grp, bucket, mechanism, scale, factorisation, steps
