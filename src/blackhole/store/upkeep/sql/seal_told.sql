-- The increments of a block that have an interval of their own.
SELECT stream, epoch_ns(time), epoch_ns(min(since)), max(period)
FROM intervals
WHERE time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
    AND series IN (SELECT unnest($ids::UINTEGER[]))
GROUP BY stream, time
ORDER BY stream, time
