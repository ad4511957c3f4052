-- As recent_sealed_points.sql: what was observed last, and its mean.
SELECT series, stream, false AS told, max(epoch_ns(time), 10) AS times, arg_max(count, time)::DOUBLE,
    arg_max(sum / nullif(count, 0), time), arg_max(epoch_us(created_at), time) * 1000, NULL, NULL
FROM every_histogram_point
WHERE series IN ({ids}) AND last >= make_timestamp_ns($since)
GROUP BY series, stream
