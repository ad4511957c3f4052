-- Turns recent rows of some series in one block into one chunk a stream. grown.py computes what else is known of them,
-- and seal_lists.sql makes the shortest lists. One longer statement would take longer to plan than to run.
CREATE TEMP TABLE sealing AS
WITH chosen AS (
    SELECT id, type = 'counter' AS increments, min(id) OVER (PARTITION BY metric) AS leader
    FROM series WHERE id IN (SELECT unnest($ids::UINTEGER[]))
),
found AS (
    SELECT p.series, p.stream, s.leader, s.increments, epoch_ns(p.time) AS moment, p.value, p.cumulative,
        coalesce(p.cumulative, p.value) AS main, p.created_at, t.sampling_rate,
        row_number() OVER (PARTITION BY p.series, p.stream ORDER BY p.time, p.rowid) - 1 AS place
    FROM recent_points AS p JOIN chosen AS s ON s.id = p.series LEFT JOIN thinned AS t ON t.created_at = p.created_at
    WHERE p.time >= make_timestamp_ns($from) AND p.time < make_timestamp_ns($until) AND p.stream > 0
        AND p.rowid NOT IN (SELECT unnest($staying::BIGINT[]))
        AND p.created_at < make_timestamp($settled)
),
measured AS (
    SELECT *, place // 8192 AS part, place % 8192 AS nth,
        CASE
            WHEN main = round(main) THEN 0
            WHEN main = round(main * 1e1) / 1e1 THEN 1
            WHEN main = round(main * 1e2) / 1e2 THEN 2
            WHEN main = round(main * 1e3) / 1e3 THEN 3
            WHEN main = round(main * 1e4) / 1e4 THEN 4
            WHEN main = round(main * 1e5) / 1e5 THEN 5
            WHEN main = round(main * 1e6) / 1e6 THEN 6
            ELSE 7
        END AS digits
    FROM found
),
scaled AS (
    SELECT *, max(digits) OVER w AS scale, pow(10, max(digits) OVER w) AS tens, first_value(moment) OVER w AS start,
        count(*) OVER w AS points, count(cumulative) OVER w AS running, max(moment) OVER w - min(moment) OVER w AS length
    FROM measured
    WINDOW w AS (PARTITION BY series, stream, part ORDER BY nth ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
whole AS (
    SELECT *, CASE WHEN points > 1 THEN length // (points - 1) ELSE 0 END AS step,
        scale < 7 AND abs(main) * tens < 4e15 AND round(main * tens) / tens = main AS fits,
        CASE WHEN abs(main) * tens < 4e15 THEN round(main * tens) END AS q,
        CASE WHEN abs(value) * tens < 4e15 THEN round(value * tens) END AS risen
    FROM scaled
),
moved AS (
    SELECT *, coalesce(lag(q) OVER v, CASE WHEN running > 0 THEN q - risen ELSE q END) AS before,
        moment // 3600000000000 IS DISTINCT FROM lag(moment) OVER v // 3600000000000 AS opens
    FROM whole
    WINDOW v AS (PARTITION BY series, stream, part ORDER BY nth)
),
grouped AS (
    SELECT leader, series, stream, part, start, max(moment) AS last, any_value(step) AS step_ns, count(*) AS points,
        list(moment - start - nth * step ORDER BY nth) AS offsets, any_value(scale) AS scale, any_value(increments) AS increments,
        CASE
            WHEN NOT coalesce(bool_and(fits AND coalesce(abs(before) < 4e15, false)), false) THEN 0
            WHEN any_value(running) = 0 THEN CASE WHEN any_value(increments) THEN 3 ELSE 1 END
            WHEN any_value(running) < count(*) THEN 0
            WHEN any_value(increments) AND bool_and(q / tens - before / tens = value) THEN 4
            WHEN NOT any_value(increments) AND bool_and(value = cumulative) THEN 2
            ELSE 0
        END AS kind,
        arg_min(before, nth) AS opening, arg_min(q, nth) AS level, list(q ORDER BY nth) AS qs, list(q - before ORDER BY nth) AS changes,
        list(value ORDER BY nth) AS reals,
        list(moment // 3600000000000 ORDER BY nth) FILTER (opens) AS hours, list(nth ORDER BY nth) FILTER (opens) AS firsts,
        CASE WHEN any_value(running) > 0 THEN list(cumulative ORDER BY nth) END AS cumulatives,
        min(sampling_rate) AS sampling_rate, max(created_at) AS created_at, any_value(running) = 0 AS as_sent
    FROM moved
    GROUP BY leader, series, stream, part, start
),
counted AS (
    SELECT *, CASE kind
            WHEN 0 THEN NULL
            WHEN 3 THEN qs
            WHEN 4 THEN changes
            ELSE list_prepend(0, changes[2:])
        END::BIGINT[] AS steps,
        list_transform(range(hours[1], hours[-1] + 1), lambda hour: [firsts[list_position(hours, hour)], list_append(firsts, points)[list_position(hours, hour) + 1]]) AS spans
    FROM grouped
)
SELECT leader, series, stream, start, last, step_ns, points, kind, steps, sampling_rate, created_at,
    CASE WHEN list_bool_or(list_transform(offsets, lambda away: away <> 0)) THEN offsets END AS offsets,
    CASE WHEN kind = 0 THEN 0 ELSE scale END AS scale,
    CASE kind WHEN 4 THEN opening::BIGINT WHEN 1 THEN level::BIGINT WHEN 2 THEN level::BIGINT ELSE 0 END AS base,
    CASE WHEN kind = 0 THEN reals END AS reals,
    CASE WHEN kind = 0 THEN cumulatives END AS cumulatives,
    samples,
    -- A sum of decimals is rounded to what it would be without binary fractions.
    list_transform(totals, lambda total: CASE WHEN abs(total - round(total, 6)) <= 1e-13 * abs(total) THEN round(total, 6) ELSE total END) AS totals,
    row_number() OVER () AS number, part, increments AND as_sent AS as_sent, CASE WHEN increments THEN firsts END AS firsts, CASE WHEN increments THEN reals END AS amounts
FROM (
    SELECT *, list_transform(spans, lambda span: coalesce(span[2] - span[1], 0)) AS samples,
        list_transform(spans, lambda span: coalesce(list_sum(reals[span[1] + 1:span[2]]), 0)) AS totals
    FROM counted
)
