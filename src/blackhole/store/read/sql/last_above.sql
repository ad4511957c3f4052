-- When each of these series was last above zero, among its points since $since.
SELECT series, epoch_ns(max(time)) FROM (
    SELECT series, time FROM every_point
    WHERE series IN ({ids}) AND value > 0 AND last >= make_timestamp_ns($since)
    UNION ALL
    SELECT series, time FROM every_histogram_point
    WHERE series IN ({ids}) AND count > 0 AND last >= make_timestamp_ns($since)
)
WHERE time BETWEEN make_timestamp_ns($since) AND make_timestamp_ns($until)
GROUP BY series
