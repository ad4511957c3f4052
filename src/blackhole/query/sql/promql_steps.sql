WITH found AS (
    SELECT series, stream, epoch_ns(time) // 1000000 AS ms, {value} AS value, {sent} AS sent
    FROM {table}
    WHERE series IN (SELECT unnest($ids::UINTEGER[]))
        AND time >= make_timestamp_ns($from)
        AND time < make_timestamp_ns($until)
        AND ({value}) IS NOT NULL
),
placed AS (
    SELECT
        *,
        (ms - $origin - 1) // $step AS bucket,
        $step - 1 - (ms - $origin - 1) % $step < $length AS inside
    FROM found
)
SELECT
    series,
    bucket,
    count(*) FILTER (inside),
    min(ms) FILTER (inside),
    max(ms) FILTER (inside),
    arg_min(value, ms) FILTER (inside),
    arg_max(value, ms) FILTER (inside),
    sum(value) FILTER (inside),
    min(value) FILTER (inside),
    max(value) FILTER (inside),
    sum(value),
    (arg_min_null(sent, ms) FILTER (inside))::DOUBLE,
    min(stream),
    max(stream)
FROM placed
GROUP BY series, bucket
ORDER BY series, bucket
