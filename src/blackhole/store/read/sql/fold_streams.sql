-- The streams of some series: 0 cumulative, 1 increments as sent, 2 levels.
WITH chosen AS (SELECT unnest($ids::UINTEGER[]) AS id, unnest($groups::UINTEGER[]) AS grp, unnest($factors::DOUBLE[]) AS factor)
SELECT t.id AS stream, c.grp, (CASE WHEN {levels} THEN 2 WHEN t.delta THEN 1 ELSE 0 END)::UTINYINT AS kind,
    t.raw, t.kin, epoch_ns(t.start) AS start, c.factor
FROM streams AS t JOIN chosen AS c ON c.id = t.series
