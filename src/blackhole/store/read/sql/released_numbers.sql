-- Sums of released values and of their squared scales. For running totals only the number of values is given. A value
-- without a release was stored while differential privacy was off, so it has no noise.
WITH {kept},
noise AS (
    SELECT window_start, any_value(mechanism) AS mechanism, max(scale) AS scale, any_value(factorisation) AS factorisation
    FROM releases
    WHERE metric = $metric AND NOT lost
        AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
    GROUP BY window_start
),
{spread},
found AS (
    SELECT c.grp, p.time, p.value, 1 AS stored
    FROM recent_points AS p JOIN chosen AS c ON c.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
    UNION ALL
    SELECT grp, time, value, stored FROM spread
)
SELECT f.grp, {bucket:epoch_ns(f.time)} AS bucket, sum(f.value), sum(f.stored)::BIGINT,
    coalesce(sum(n.scale ** 2) FILTER (n.factorisation IS NULL AND n.mechanism <> 'discrete_laplace'), 0),
    coalesce(sum(n.scale ** 2) FILTER (n.factorisation IS NULL AND n.mechanism = 'discrete_laplace'), 0),
    count(n.factorisation)
FROM found AS f LEFT JOIN noise AS n ON n.window_start = f.time
GROUP BY f.grp, bucket
ORDER BY f.grp, bucket
