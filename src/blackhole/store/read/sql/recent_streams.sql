-- The latest times and the newest value of each stream since a moment (of a histogram the newest count and its mean).
-- In a row of its own: the newest increment that has an interval, since another moment.
SELECT series, stream, began IS NOT NULL AS told, max(epoch_ns(time), 10) AS times, arg_max(value, time),
    arg_max(shown, time), arg_max(epoch_us(created_at), time) * 1000, arg_max(epoch_ns(began), time), arg_max(period, time)
FROM (
    SELECT series, stream, time, value, value AS shown, created_at, NULL::TIMESTAMP_NS AS began, NULL::BIGINT AS period
    FROM recent_points WHERE time BETWEEN make_timestamp_ns($since) AND make_timestamp_ns($until)
    UNION ALL
    SELECT series, stream, time, count::DOUBLE, sum / nullif(count, 0), created_at, NULL, NULL
    FROM recent_histogram_points WHERE time BETWEEN make_timestamp_ns($since) AND make_timestamp_ns($until)
    UNION ALL
    SELECT series, stream, time, value, total / nullif(value, 0), created_at, since, period
    FROM intervals WHERE time BETWEEN make_timestamp_ns($told) AND make_timestamp_ns($until)
)
GROUP BY series, stream, told
