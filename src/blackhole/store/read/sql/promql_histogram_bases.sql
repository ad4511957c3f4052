-- What each stream had counted before its first stored row. A chunk has the running state of its last point.
WITH oldest_chunk AS (
    SELECT series, stream, min(start) AS start FROM histogram_chunks
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) GROUP BY series, stream
),
oldest_row AS (
    SELECT series, stream, min(time) AS time FROM recent_histogram_points
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) GROUP BY series, stream
),
opened AS (
    SELECT series, stream, start AS time, bounds, list_sum(counts) AS count, list_sum(sums) AS sum,
        list_transform(range(1, width + 1), lambda place: list_sum(buckets[place:len(buckets):width])) AS buckets,
        cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets
    FROM oldest_chunk JOIN histogram_chunks USING (series, stream, start)
    UNION ALL
    SELECT series, stream, time, bounds, count, sum, buckets,
        cumulative_count, cumulative_sum, cumulative_bounds, cumulative_buckets
    FROM oldest_row JOIN recent_histogram_points USING (series, stream, time)
),
first AS (
    SELECT *, row_number() OVER (PARTITION BY series, stream ORDER BY time) AS nth FROM opened
)
SELECT series, stream, bounds, (cumulative_count - count)::DOUBLE, cumulative_sum - sum,
    list_transform(list_zip(cumulative_buckets, buckets), lambda pair: pair[1]::DOUBLE - pair[2]::DOUBLE)
FROM first
WHERE nth = 1 AND cumulative_bounds = bounds AND cumulative_count > count
