WITH chunk AS (
    SELECT *, CASE WHEN last < make_timestamp_ns($until) THEN count ELSE len(list_filter(coalesce(
        list_transform(offsets, lambda away, place: epoch_ns(start) + (place - 1) * step + away),
        list_transform(range(count::BIGINT), lambda place: epoch_ns(start) + place * step)
    ), lambda moment: moment < $until)) END AS places
    FROM histogram_chunks
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND start < make_timestamp_ns($until)
)
SELECT series, bounds, list_sum(counts[1:places])::DOUBLE, list_sum(sums[1:places]),
    list_transform(range(1, width + 1), lambda cell: list_sum(buckets[cell:places * width:width])::DOUBLE)
FROM chunk
UNION ALL
SELECT series, bounds, sum(count)::DOUBLE, sum(sum), {cells}
FROM recent_histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until)
GROUP BY series, bounds
