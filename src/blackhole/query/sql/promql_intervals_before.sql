WITH cells AS (
    SELECT series, bounds, unnest(buckets)::DOUBLE AS observed, generate_subscripts(buckets, 1) AS place
    FROM histogram_points
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until) AND count > 0
),
buckets AS (
    SELECT series, bounds, list(observed ORDER BY place) AS buckets
    FROM (SELECT series, bounds, place, sum(observed) AS observed FROM cells GROUP BY ALL)
    GROUP BY ALL
),
totals AS (
    SELECT series, bounds, sum(count)::DOUBLE AS count, sum(sum) AS sum
    FROM histogram_points
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until) AND count > 0
    GROUP BY ALL
)
SELECT t.series, t.count, t.sum, t.bounds, b.buckets
FROM totals AS t LEFT JOIN buckets AS b ON b.series = t.series AND b.bounds IS NOT DISTINCT FROM t.bounds
