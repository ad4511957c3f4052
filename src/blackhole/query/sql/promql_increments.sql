SELECT
    series,
    stream,
    list(epoch_ns(time) // 1000000),
    list(value),
    CASE WHEN count(cumulative) = count(*) THEN arg_min(cumulative, time) END,
    arg_min(cumulative - value, time),
    list(epoch_ns(time) // 1000000) FILTER (cumulative = value)
FROM points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
GROUP BY series, stream
