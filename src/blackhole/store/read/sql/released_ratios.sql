-- Noisy sums and counts of released gauges, with the sums of their squared scales.
WITH {kept},
noise AS (
    SELECT window_start, any_value(mechanism) AS mechanism, max(scale) AS scale, max(count_scale) AS count_scale
    FROM releases
    WHERE metric = $metric AND NOT lost AND count_scale IS NOT NULL
        AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
    GROUP BY window_start
),
{spread},
found AS (
    SELECT c.grp, l.time, l.noisy[1] AS total, l.noisy[2] AS parts
    FROM released_lists AS l JOIN chosen AS c ON c.id = l.series
    WHERE l.bounds IS NULL AND l.time >= make_timestamp_ns($from) AND l.time < make_timestamp_ns($until)
    UNION ALL
    SELECT grp, time, value, parts FROM spread
    WHERE parts IS NOT NULL
)
SELECT f.grp, {bucket:epoch_ns(f.time)} AS bucket, sum(f.total), sum(f.parts),
    coalesce(sum(n.scale ** 2) FILTER (n.mechanism <> 'discrete_laplace'), 0),
    coalesce(sum(n.scale ** 2) FILTER (n.mechanism = 'discrete_laplace'), 0),
    coalesce(sum(n.count_scale ** 2) FILTER (n.mechanism <> 'discrete_laplace'), 0),
    coalesce(sum(n.count_scale ** 2) FILTER (n.mechanism = 'discrete_laplace'), 0)
FROM found AS f JOIN noise AS n ON n.window_start = f.time
GROUP BY f.grp, bucket
ORDER BY f.grp, bucket
