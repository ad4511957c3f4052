SELECT series, stream, epoch_ns(start) AS start, step, count, offsets, kind, scale, base,
    tiny_steps, short_steps, steps, long_steps, reach, far, reals, cumulatives
FROM chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND last >= make_timestamp_ns($from) AND start < make_timestamp_ns($until)
