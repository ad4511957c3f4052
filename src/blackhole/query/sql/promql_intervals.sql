-- Chunks are cut as lists: to make a row of each of their points takes memory with the square of their length.
WITH chunk AS (
    SELECT *, coalesce(
        list_transform(offsets, lambda away, place: epoch_ns(start) + (place - 1) * step + away),
        list_transform(range(count::BIGINT), lambda place: epoch_ns(start) + place * step)
    ) AS moments
    FROM histogram_chunks
    WHERE series IN (SELECT unnest($ids::UINTEGER[]))
        AND last >= make_timestamp_ns($from) AND start < make_timestamp_ns($until)
),
cut AS (
    SELECT *, len(list_filter(moments, lambda moment: moment < $from)) AS first,
        len(list_filter(moments, lambda moment: moment < $until)) AS last_place
    FROM chunk
)
SELECT series, bounds,
    list_transform(moments[first + 1:last_place], lambda moment: moment // 1000000),
    counts[first + 1:last_place]::DOUBLE[],
    sums[first + 1:last_place],
    buckets[first * width + 1:last_place * width],
    1, []::BIGINT[], NULL, NULL, NULL
FROM cut
WHERE first < last_place
UNION ALL
SELECT
    series,
    bounds,
    list(epoch_ns(time) // 1000000),
    list(count::DOUBLE),
    list(sum),
    flatten(list(buckets)),
    count(DISTINCT stream),
    coalesce(list(epoch_ns(time) // 1000000) FILTER (cumulative_count = count), []),
    arg_min_null(cumulative_count, time)::DOUBLE,
    arg_min_null(cumulative_sum, time),
    arg_min_null(CASE WHEN cumulative_bounds = bounds THEN cumulative_buckets END, time)
FROM recent_histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
GROUP BY series, bounds
