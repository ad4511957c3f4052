-- As of numbers that nothing shorter says. Chunks of a stream whose bounds change lie within each other: the row before
-- the first one of the range may be in another, which ended before.
SELECT stream, epoch_ns(start) AS start, epoch_ns(since) AS since, epoch_ns(last) AS last, step, count, offsets,
    0::UTINYINT AS kind, 0::UTINYINT AS scale, 0::BIGINT AS base, NULL::TINYINT[] AS tiny_steps, NULL::SMALLINT[] AS short_steps,
    NULL::INTEGER[] AS steps, NULL::BIGINT[] AS long_steps, NULL::SMALLINT AS reach, NULL::SMALLINT[] AS far,
    {values}::DOUBLE[] AS reals, period, epoch_us(created_at) * 1000 AS arrived
FROM histogram_chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND coalesce(since, start) < make_timestamp_ns($until) AND epoch_ns(last) > $chunks_after
    AND start BETWEEN make_timestamp_ns($first) AND make_timestamp_ns($last)
