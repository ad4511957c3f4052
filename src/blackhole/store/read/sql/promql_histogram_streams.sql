SELECT series, stream, epoch_ns(min(first)), epoch_ns(max(last)), bool_and(known)
FROM (
    SELECT series, stream, start AS first, last, cumulative_count IS NOT NULL AS known
    FROM histogram_chunks
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND start < make_timestamp_ns($until)
    UNION ALL
    SELECT series, stream, time, time, cumulative_count IS NOT NULL
    FROM recent_histogram_points
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until)
)
GROUP BY series, stream
