-- What is about to be sealed, by hour. A sum of decimals is rounded to what it would be without binary fractions.
INSERT INTO rollups
SELECT series, epoch_ns(hour) // 3600000000000, samples,
    CASE WHEN abs(total - round(total, 6)) <= 1e-13 * abs(total) THEN round(total, 6) ELSE total END
FROM (
    SELECT s.metric, p.series, date_trunc('hour', p.time::TIMESTAMP)::TIMESTAMP_NS AS hour, count(*) AS samples, sum(p.value) AS total
    FROM recent_points AS p JOIN series AS s ON s.id = p.series
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until) AND p.stream > 0
        AND p.created_at < make_timestamp($settled) AND p.series IN (SELECT unnest($ids::UINTEGER[]))
    GROUP BY ALL
)
ORDER BY hour, min(series) OVER (PARTITION BY metric), series
