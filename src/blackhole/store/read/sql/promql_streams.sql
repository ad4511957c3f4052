-- The streams of counters: from when until when, their sum before $from, where they began, and whether they have values
-- as sent. For a chunk that spans $from the points tell.
SELECT series, stream, epoch_ns(min(first)), epoch_ns(max(last)),
    coalesce(sum(total) FILTER (last < make_timestamp_ns($from)), 0),
    coalesce(arg_min_null(opening, first), 0)::DOUBLE,
    bool_and(known)
FROM (
    SELECT series, stream, start AS first, last, list_sum(totals) AS total,
        CASE kind WHEN 0 THEN cumulatives[1] - reals[1] WHEN 4 THEN base / pow(10, scale) END AS opening,
        CASE kind WHEN 0 THEN cumulatives IS NOT NULL ELSE kind IN (2, 4) END AS known
    FROM chunks
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND start < make_timestamp_ns($until)
    UNION ALL
    SELECT series, stream, time, time, value, cumulative - value, cumulative IS NOT NULL
    FROM recent_points
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until)
)
GROUP BY series, stream
