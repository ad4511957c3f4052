-- Like recent_streams.sql, for series whose points are all sealed, as after a start of the service.
SELECT series, stream, false AS told, max(epoch_ns(time), 10) AS times, arg_max(value, time), arg_max(value, time),
    arg_max(epoch_us(created_at), time) * 1000, NULL, NULL
FROM every_point
WHERE series IN ({ids}) AND last >= make_timestamp_ns($since)
GROUP BY series, stream
