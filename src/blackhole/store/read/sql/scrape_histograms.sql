-- What public histograms counted in commits after $seen, by their bounds, and the last of these commits.
SELECT h.series, h.bounds, sum(h.count)::DOUBLE, sum(h.sum) FILTER (isfinite(h.sum)), {cells}, epoch_us(max(h.created_at))
FROM recent_histogram_points AS h JOIN series AS s ON s.id = h.series
WHERE h.created_at > make_timestamp($seen) AND epoch_us(h.created_at) % $step = $mark AND s.privacy_level = 0
GROUP BY h.series, h.bounds
