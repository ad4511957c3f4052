-- How far the sealed points of each stream reach that has sent since a moment ago, and when the last of them came.
SELECT stream, any_value(series), max(epoch_ns(last)), arg_max(period, last), arg_max(epoch_us(created_at) * 1000, last)
FROM (
    SELECT series, stream, last, period, created_at FROM chunks WHERE last BETWEEN make_timestamp_ns($since) AND make_timestamp_ns($until)
    UNION ALL
    SELECT series, stream, last, period, created_at FROM histogram_chunks WHERE last BETWEEN make_timestamp_ns($since) AND make_timestamp_ns($until)
)
GROUP BY stream
