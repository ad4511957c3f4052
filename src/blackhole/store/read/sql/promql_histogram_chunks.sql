SELECT series, stream, epoch_ns(start) AS start, step, count, offsets, counts, sums, cumulative_count, cumulative_sum,
    {buckets}
FROM histogram_chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND last >= make_timestamp_ns($from) AND start < make_timestamp_ns($until)
