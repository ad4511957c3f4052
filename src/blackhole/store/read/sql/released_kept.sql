-- Sums of releases, with the windows of their time, whose noise they have. The first window stands for the values of
-- all.
spread AS (
    SELECT grp, attributes, coalesce(window_start, make_timestamp_ns(time)) AS time,
        CASE WHEN place = 1 THEN total ELSE 0 END AS value, CASE WHEN place = 1 THEN samples ELSE 0 END AS stored,
        CASE WHEN mean <> 0 THEN CASE WHEN place = 1 THEN total / mean ELSE 0 END END AS parts
    FROM (
        SELECT k.*, n.window_start,
            row_number() OVER (PARTITION BY k.grp, k.attributes, k.time ORDER BY n.window_start) AS place
        FROM kept AS k LEFT JOIN noise AS n
            ON n.window_start >= make_timestamp_ns(k.time) AND n.window_start < make_timestamp_ns(k.time + k.width)
    )
)
