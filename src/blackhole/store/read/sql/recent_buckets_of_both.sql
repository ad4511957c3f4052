-- Like recent_buckets.sql, and beside it the part that is newer than another moment.
WITH cells AS (
    SELECT series, unnest(list_prepend(NULL, bounds)) AS lower, unnest(list_append(bounds, NULL)) AS upper,
        unnest(buckets) AS observed, min, max, time >= make_timestamp_ns($newly) AS fresh
    FROM recent_histogram_points
    WHERE time BETWEEN make_timestamp_ns($since) AND make_timestamp_ns($until) AND count > 0 AND len(bounds) > 0
)
SELECT series, lower, upper, sum(observed)::DOUBLE AS observed, min(min) AS least, max(max) AS most,
    sum(observed) FILTER (fresh)::DOUBLE, min(min) FILTER (fresh), max(max) FILTER (fresh)
FROM cells
WHERE observed > 0
GROUP BY series, lower, upper, upper IS NULL AND max IS NULL
