-- The newest value of each stream of public levels, and the number of points, since when, that tell its period.
SELECT p.series, s.type = 'updowncounter', count(DISTINCT p.time), epoch_ns(min(p.time)), epoch_ns(max(p.time)),
    arg_max(p.value, p.time)
FROM recent_points AS p JOIN series AS s ON s.id = p.series
WHERE p.time BETWEEN make_timestamp_ns($since) AND make_timestamp_ns($until) AND s.type IN ('gauge', 'updowncounter') AND s.privacy_level = 0
GROUP BY p.series, p.stream, s.type
