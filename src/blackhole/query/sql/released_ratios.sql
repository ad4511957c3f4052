-- Noisy sums and counts of released gauges, with the sums of their squared scales.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
noise AS (
    SELECT window_start, any_value(mechanism) AS mechanism, max(scale) AS scale, max(count_scale) AS count_scale
    FROM releases
    WHERE metric = $metric AND NOT lost AND count_scale IS NOT NULL
        AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
    GROUP BY window_start
)
SELECT c.grp, {bucket:epoch_ns(l.time)} AS bucket, sum(l.noisy[1]), sum(l.noisy[2]),
    coalesce(sum(n.scale ** 2) FILTER (n.mechanism <> 'discrete_laplace'), 0),
    coalesce(sum(n.scale ** 2) FILTER (n.mechanism = 'discrete_laplace'), 0),
    coalesce(sum(n.count_scale ** 2) FILTER (n.mechanism <> 'discrete_laplace'), 0),
    coalesce(sum(n.count_scale ** 2) FILTER (n.mechanism = 'discrete_laplace'), 0)
FROM released_lists AS l JOIN chosen AS c ON c.id = l.series JOIN noise AS n ON n.window_start = l.time
WHERE l.bounds IS NULL AND l.time >= make_timestamp_ns($from) AND l.time < make_timestamp_ns($until)
GROUP BY grp, bucket
ORDER BY grp, bucket
