-- What grew over more than an hour has an entry in `intervals`, so that no chunk is needed that begins so long after.
-- What is compared as it is stored is compared before lists are unpacked.
SELECT stream, epoch_ns(start) AS start, epoch_ns(since) AS since, epoch_ns(last) AS last, step, count, offsets,
    kind, scale, base, tiny_steps, short_steps, steps, long_steps, reach, far, reals, period, epoch_us(created_at) * 1000 AS arrived
FROM chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND coalesce(since, start) < make_timestamp_ns($until) AND start < make_timestamp_ns($until + 3600000000000) AND {holds}
    AND start BETWEEN make_timestamp_ns($first) AND make_timestamp_ns($last) {hourly}
