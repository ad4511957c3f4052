-- Observations by bucket of the histogram. The edge of an open bucket is NULL. Observations in an open last bucket are
-- counted apart, by whether the greatest is known. list_select is used, because a slice would copy the whole list for
-- each point.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
every AS (
    SELECT c.grp, epoch_ns(h.time) AS time, h.count, h.min, h.max, h.bounds, h.buckets
    FROM recent_histogram_points AS h JOIN chosen AS c ON c.id = h.series
    WHERE h.time >= make_timestamp_ns($from) AND h.time < make_timestamp_ns($until) AND len(h.bounds) > 0
    UNION ALL
    SELECT grp, start + place * step + coalesce(away, 0), count, min, max, bounds, list_select(buckets, range(place * width + 1, (place + 1) * width + 1))
    FROM (
        SELECT c.grp, epoch_ns(k.start) AS start, k.step, k.bounds, k.buckets, k.width, unnest(range(k.count::BIGINT)) AS place,
            unnest(k.offsets) AS away, unnest(k.counts) AS count, unnest(k.mins) AS min, unnest(k.maxs) AS max
        FROM histogram_chunks AS k JOIN chosen AS c ON c.id = k.series
        WHERE k.last >= make_timestamp_ns($from) AND k.start < make_timestamp_ns($until) AND len(k.bounds) > 0
    )
),
cells AS (
    SELECT grp, time // $step * $step AS bucket, unnest(list_prepend(NULL, bounds)) AS lower, unnest(list_append(bounds, NULL)) AS upper,
        unnest(buckets) AS observed, min AS min, max AS max
    FROM every
    WHERE time >= $from AND time < $until AND count > 0
)
SELECT grp, bucket, lower, upper, sum(observed)::DOUBLE AS observed, min(min) AS least, max(max) AS most
FROM cells
WHERE observed > 0
GROUP BY grp, bucket, lower, upper, upper IS NULL AND max IS NULL
ORDER BY grp, bucket
