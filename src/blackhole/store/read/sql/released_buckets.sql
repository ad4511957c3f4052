-- Noisy bucket counts of released histograms by their bounds, with the sums of the squared scales of one bucket.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
noise AS (
    SELECT window_start, any_value(mechanism) AS mechanism, max(scale) AS scale
    FROM releases
    WHERE metric = $metric AND NOT lost
        AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
    GROUP BY window_start
),
cells AS (
    SELECT c.grp, {bucket:epoch_ns(l.time)} AS bucket, l.bounds, unnest(l.noisy) AS counted,
        generate_subscripts(l.noisy, 1) AS place, n.scale, n.mechanism
    FROM released_lists AS l JOIN chosen AS c ON c.id = l.series JOIN noise AS n ON n.window_start = l.time
    WHERE l.bounds IS NOT NULL AND l.time >= make_timestamp_ns($from) AND l.time < make_timestamp_ns($until)
),
summed AS (
    SELECT grp, bucket, bounds, place, sum(counted) AS counted,
        coalesce(sum(scale ** 2) FILTER (mechanism <> 'discrete_laplace'), 0) AS gauss,
        coalesce(sum(scale ** 2) FILTER (mechanism = 'discrete_laplace'), 0) AS laplace
    FROM cells
    GROUP BY grp, bucket, bounds, place
)
SELECT grp, bucket, bounds, list(counted ORDER BY place), max(gauss), max(laplace)
FROM summed
GROUP BY grp, bucket, bounds
ORDER BY grp, bucket
