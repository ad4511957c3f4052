-- What each stream of a counter had come to before the first row that is stored of it.
WITH oldest_chunk AS (
    SELECT series, stream, min(start) AS start FROM chunks
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) GROUP BY series, stream
),
oldest_row AS (
    SELECT series, stream, min(time) AS time FROM recent_points
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) GROUP BY series, stream
),
opened AS (
    SELECT series, stream, start AS time,
        CASE kind WHEN 0 THEN cumulatives[1] - reals[1] WHEN 4 THEN base / pow(10, scale) END AS opening
    FROM oldest_chunk JOIN chunks USING (series, stream, start)
    UNION ALL
    SELECT series, stream, time, cumulative - value FROM oldest_row JOIN recent_points USING (series, stream, time)
)
SELECT series, stream, coalesce(arg_min_null(opening, time), 0)::DOUBLE FROM opened GROUP BY series, stream
