-- Like recent_streams.sql: the newest increments that have an interval of their own.
SELECT series, stream, true AS told, max(epoch_ns(time), 1) AS times, arg_max(value, time),
    arg_max(total / nullif(value, 0), time), arg_max(epoch_us(created_at), time) * 1000, arg_max(epoch_ns(since), time),
    arg_max(period, time)
FROM intervals
WHERE time >= make_timestamp_ns($since)
GROUP BY series, stream
