SELECT stream, epoch_ns(time) AS time, {value}::DOUBLE AS value, epoch_us(created_at) * 1000 AS arrived
FROM {points}
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time > make_timestamp_ns($look) AND time <= make_timestamp_ns($read)
ORDER BY stream, time
