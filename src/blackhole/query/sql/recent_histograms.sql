-- What each stream of a histogram observed since a moment ago.
SELECT h.series, s.metric, s.type, s.unit, s.attributes, s.privacy_level,
    h.stream, h.times, h.first, h.last, h.total, h.newly, h.first_value, h.last_value
FROM (
    SELECT series, stream, count(DISTINCT time) AS times, epoch_ns(min(time)) AS first, epoch_ns(max(time)) AS last,
        sum(count)::DOUBLE AS total,
        coalesce(sum(count) FILTER (time >= make_timestamp_ns($newly)), 0)::DOUBLE AS newly, arg_min(count, time)::DOUBLE AS first_value,
        arg_max(sum / nullif(count, 0), time) AS last_value
    FROM recent_histogram_points
    WHERE time >= make_timestamp_ns($since)
    GROUP BY series, stream
) AS h JOIN series AS s ON s.id = h.series
