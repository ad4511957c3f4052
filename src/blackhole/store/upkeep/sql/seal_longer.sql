-- What rows of an older file were counted over, where that is over an hour: hours cannot hold it.
INSERT INTO intervals
SELECT series, stream, make_timestamp_ns(one.moment), make_timestamp_ns(one.since), one.value, NULL, one.estimated,
    one.period, created_at
FROM (
    SELECT unnest($longer::STRUCT(number BIGINT, moment BIGINT, since BIGINT, value DOUBLE, estimated BOOLEAN, period BIGINT)[]) AS one
) JOIN sealing ON sealing.number = one.number
