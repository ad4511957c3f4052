-- Like recent_sealed_points.sql, for histograms: the newest count, and its mean.
SELECT series, stream, false AS told, max(epoch_ns(time), 10) AS times, arg_max(count, time)::DOUBLE,
    arg_max(sum / nullif(count, 0), time), arg_max(epoch_us(created_at), time) * 1000, NULL, NULL
FROM every_histogram_point
WHERE series IN ({ids}) AND last >= make_timestamp_ns($since)
GROUP BY series, stream
