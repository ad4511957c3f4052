-- Inserts the chunks, with what else is known of them, in their order. Steps are in the shortest lists, with the few
-- that are far from the others apart.
INSERT INTO chunks
WITH sized AS (
    SELECT *, greatest(list_max(steps), -list_min(steps)) AS furthest, list_min(steps) < 0 AS signed,
        -- Steps that need more than 16 bits are left as they are.
        CASE WHEN list_max(steps) < 32768 AND list_min(steps) > -32768 THEN steps::SMALLINT[] END AS near
    FROM sealing
),
-- How many bits all steps take if so many of the furthest are in `far`, at some 16 bits each and some for the list; or
-- if none is. A list of one serves as a name within an expression.
weighed AS (
    SELECT *, list_transform([list_sort(list_transform(near, lambda step: abs(step)))], lambda sizes: list_min(list_append(
        list_transform(
            list_transform([points // 256, points // 128, points // 64, points // 32], lambda most: {
                'most': most,
                'bits': length(bin(sizes[points - most] + CASE WHEN signed THEN (most + 1) // 2 ELSE most END)) + signed::INTEGER,
                'reach': sizes[points - most]
            }),
            lambda one: {'cost': points * one.bits + 16 * one.most + 128, 'bits': one.bits, 'reach': one.reach}
        ),
        {'cost': points * length(bin(list_max(near)::INTEGER - list_min(near))), 'bits': 0, 'reach': NULL}
    )))[1] AS best
    FROM sized
),
-- The numbers that stand for steps in `far` are next to those of the others, on both sides if there are negative ones.
coded AS (
    SELECT * EXCLUDE (near), CASE
            WHEN best.reach IS NULL THEN {'near': near, 'far': NULL}
            ELSE list_transform(
                [list_sort(list_distinct(list_filter(near, lambda step: abs(step) > best.reach)))],
                lambda far: {
                    'near': list_transform(near, lambda step: CASE
                        WHEN abs(step) <= best.reach THEN step
                        WHEN NOT signed OR list_position(far, step) < (1 << (best.bits - 1)) - best.reach
                            THEN (best.reach + list_position(far, step))::SMALLINT
                        ELSE (list_position(far, step) - len(far) - 1 - best.reach)::SMALLINT
                    END),
                    'far': far
                }
            )[1]
        END AS lists
    FROM weighed
)
SELECT series, stream, make_timestamp_ns(start), make_timestamp_ns(last), step_ns, points, offsets, kind, scale, base,
    CASE WHEN eight THEN try_cast(lists.near AS TINYINT[]) END, -- lists that are not eight are converted too, in vain
    CASE WHEN NOT eight THEN lists.near END,
    CASE WHEN furthest >= 32768 AND furthest < 2147483648 THEN steps::INTEGER[] END,
    CASE WHEN furthest >= 2147483648 THEN steps END,
    reals, cumulatives, samples, totals, sampling_rate, created_at, best.reach, lists.far,
    make_timestamp_ns(($since::BIGINT[])[number]), ($period::BIGINT[])[number], ($grown::DOUBLE[][])[number]
FROM (
    SELECT *, coalesce(list_max(lists.near)::INTEGER - list_min(lists.near) >= 128 AND list_min(lists.near) >= -128 AND list_max(lists.near) < 128, false) AS eight
    FROM coded
)
ORDER BY leader, series, stream, start
