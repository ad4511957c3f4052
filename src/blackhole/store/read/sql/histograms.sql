WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp{factors}),
every AS (
    SELECT c.grp, epoch_ns(h.time) AS time, h.count, h.sum{times} AS sum
    FROM recent_histogram_points AS h JOIN chosen AS c ON c.id = h.series
    WHERE h.time >= make_timestamp_ns($from) AND h.time < make_timestamp_ns($until)
    UNION ALL
    SELECT grp, start + place * step + coalesce(away, 0), count, sum{times}
    FROM (
        SELECT c.grp{factor}, epoch_ns(k.start) AS start, k.step, unnest(range(k.count::BIGINT)) AS place, unnest(k.offsets) AS away,
            unnest(k.counts) AS count, unnest(k.sums) AS sum
        FROM histogram_chunks AS k JOIN chosen AS c ON c.id = k.series
        WHERE k.last >= make_timestamp_ns($from) AND k.start < make_timestamp_ns($until)
    )
),
found AS (
    SELECT grp, time, count, sum, sum / count AS value, {bucket:time} AS bucket
    FROM every
    WHERE time >= $from AND time < $until AND count > 0
)
SELECT grp, bucket, {value} AS value, count(*) AS samples{more}
FROM found
GROUP BY grp, bucket
ORDER BY grp, bucket
