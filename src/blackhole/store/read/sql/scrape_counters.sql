-- What public counters grew by in commits after $seen, and the last of these commits.
SELECT p.series, sum(p.value) FILTER (isfinite(p.value) AND p.value > 0), epoch_us(max(p.created_at))
FROM recent_points AS p JOIN series AS s ON s.id = p.series
WHERE p.created_at > make_timestamp($seen) AND epoch_us(p.created_at) % $step = $mark AND s.type = 'counter' AND s.privacy_level = 0
GROUP BY p.series
