-- Sums of released values and of their squared scales; running totals only say how many of theirs there are.
-- A value without a release was stored while differential privacy was off: it has no noise.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
noise AS (
    SELECT window_start, any_value(mechanism) AS mechanism, max(scale) AS scale, any_value(factorisation) AS factorisation
    FROM releases
    WHERE metric = $metric AND NOT lost
        AND window_start >= make_timestamp_ns($from) AND window_start < make_timestamp_ns($until)
    GROUP BY window_start
)
SELECT c.grp, {bucket:epoch_ns(p.time)} AS bucket, sum(p.value), count(*),
    coalesce(sum(n.scale ** 2) FILTER (n.factorisation IS NULL AND n.mechanism <> 'discrete_laplace'), 0),
    coalesce(sum(n.scale ** 2) FILTER (n.factorisation IS NULL AND n.mechanism = 'discrete_laplace'), 0),
    count(n.factorisation)
FROM recent_points AS p JOIN chosen AS c ON c.id = p.series LEFT JOIN noise AS n ON n.window_start = p.time
WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until)
GROUP BY grp, bucket
ORDER BY grp, bucket
