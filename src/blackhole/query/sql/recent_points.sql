-- Each stream's newest value, and what it added, since a moment ago.
SELECT p.series, s.metric, s.type, s.unit, s.attributes, s.privacy_level,
    p.stream, p.times, p.first, p.last, p.total, p.newly, p.first_value, p.last_value
FROM (
    SELECT series, stream, count(DISTINCT time) AS times, epoch_ns(min(time)) AS first, epoch_ns(max(time)) AS last,
        sum(value) AS total,
        coalesce(sum(value) FILTER (time >= make_timestamp_ns($newly)), 0) AS newly, arg_min(value, time) AS first_value, arg_max(value, time) AS last_value
    FROM recent_points
    WHERE time >= make_timestamp_ns($since)
    GROUP BY series, stream
) AS p JOIN series AS s ON s.id = p.series
