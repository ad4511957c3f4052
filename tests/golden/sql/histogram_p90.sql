-- Observations by bucket of the histogram, an edge being NULL where the bucket is open.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp),
found AS (
    SELECT c.grp, epoch_ns(h.time) // $step * $step AS bucket, h.bounds, h.buckets, h.min, h.max
    FROM histogram_points AS h JOIN chosen AS c ON c.id = h.series
    WHERE h.time >= make_timestamp_ns($from) AND h.time < make_timestamp_ns($until)
        AND h.count > 0 AND len(h.bounds) > 0
),
cells AS (
    SELECT grp, bucket, unnest(list_prepend(NULL, bounds)) AS lower, unnest(list_append(bounds, NULL)) AS upper,
        unnest(buckets) AS observed, min, max
    FROM found
)
SELECT grp, bucket, lower, upper, sum(observed)::DOUBLE AS observed, min(min) AS least, max(max) AS most
FROM cells
WHERE observed > 0
GROUP BY grp, bucket, lower, upper
ORDER BY grp, bucket
