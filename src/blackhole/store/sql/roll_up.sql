-- What is about to be sealed, by hour. A sum of decimals is rounded to what it would be without binary fractions.
INSERT INTO rollups
SELECT series, epoch_ns(hour) // 3600000000000, samples,
    CASE WHEN abs(total - round(total, 6)) <= 1e-13 * abs(total) THEN round(total, 6) ELSE total END,
    least, most, CASE WHEN levels THEN last END,
    CASE WHEN levels THEN epoch_ns(last_at) - epoch_ns(hour) END
FROM (
    SELECT s.metric, s.type <> 'counter' AS levels, p.series, date_trunc('hour', p.time::TIMESTAMP)::TIMESTAMP_NS AS hour, count(*) AS samples, sum(p.value) AS total,
        min(p.value) AS least, max(p.value) AS most, max(p.time) AS last_at, arg_max(p.value, p.time) AS last
    FROM recent_points AS p JOIN series AS s ON s.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until) AND p.stream > 0
        AND p.created_at < make_timestamp($settled) AND p.series IN (SELECT unnest($ids::UINTEGER[]))
    GROUP BY ALL
)
ORDER BY hour, metric, series
