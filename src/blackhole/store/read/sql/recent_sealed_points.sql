-- As recent_streams.sql, of series of which all was sealed, as it is by a start of the service.
SELECT series, stream, false AS told, max(epoch_ns(time), 10) AS times, arg_max(value, time), arg_max(value, time),
    arg_max(epoch_us(created_at), time) * 1000, NULL, NULL
FROM every_point
WHERE series IN ({ids}) AND last >= make_timestamp_ns($since)
GROUP BY series, stream
