-- The streams of some series: 0 cumulative, 1 increments as sent, 2 levels.
SELECT id AS stream, series, (CASE WHEN {levels} THEN 2 WHEN delta THEN 1 ELSE 0 END)::UTINYINT AS kind, raw, kin,
    epoch_ns(start) AS start
FROM streams
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
