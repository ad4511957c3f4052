-- The sum of whole chunks and rows before $from. For a chunk that ends after it the points tell.
SELECT series, bounds, sum(list_sum(counts))::DOUBLE, sum(list_sum(sums)), {chunked}
FROM histogram_chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND last < make_timestamp_ns($from)
GROUP BY series, bounds
UNION ALL
SELECT series, bounds, sum(count)::DOUBLE, sum(sum), {cells}
FROM recent_histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($from)
GROUP BY series, bounds
