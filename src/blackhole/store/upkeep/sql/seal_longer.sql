-- Intervals of rows of an older file that grew over more than an hour: `grown` cannot hold them.
INSERT INTO intervals
SELECT series, stream, make_timestamp_ns(one.moment), make_timestamp_ns(one.since), one.value, NULL, one.estimated,
    one.period, created_at
FROM (
    SELECT unnest($longer::STRUCT(number BIGINT, moment BIGINT, since BIGINT, value DOUBLE, estimated BOOLEAN, period BIGINT)[]) AS one
) JOIN sealing ON sealing.number = one.number
