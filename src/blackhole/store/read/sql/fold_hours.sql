-- What grew in each hour, instead of the points of a chunk, where that is known; the last hour is that of the last point.
SELECT c.stream, epoch_ns(c.last) // 3600000000000 - len(c.grown) + 1 AS hour, c.grown, c.samples,
    epoch_ns(c.start) // 3600000000000 AS sample_hour, epoch_ns(coalesce(c.since, i.since)) AS first
FROM chunks AS c LEFT JOIN intervals AS i ON i.stream = c.stream AND i.time = c.start AND c.since IS NULL
WHERE c.series IN (SELECT unnest($ids::UINTEGER[])) AND c.grown IS NOT NULL
    AND coalesce(c.since, i.since, c.start) < make_timestamp_ns($until) AND c.last > make_timestamp_ns($from)
ORDER BY c.stream, c.start
