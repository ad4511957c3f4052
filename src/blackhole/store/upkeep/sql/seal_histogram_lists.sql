-- Inserts the chunks, with what else is known of them, in their order.
INSERT INTO histogram_chunks
SELECT series, stream, make_timestamp_ns(start), make_timestamp_ns(last), step, points,
    CASE WHEN list_bool_or(list_transform(offsets, lambda away: away <> 0)) THEN offsets END,
    bounds, width, counts, sums, CASE WHEN edges > 0 THEN mins END, CASE WHEN edges > 0 THEN maxs END,
    CASE WHEN width IS NOT NULL THEN buckets END,
    state.cumulative_count, state.cumulative_sum, state.cumulative_bounds, state.cumulative_buckets,
    sampling_rate, created_at,
    make_timestamp_ns(($since::BIGINT[])[number]), ($period::BIGINT[])[number]
FROM sealing
