-- What did not simply grow since the row before, or for long; of each stream the newest, whenever that was.
SELECT stream, epoch_ns(time) AS time, epoch_ns(since) AS since, {entry} AS value, estimated, period
FROM intervals
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND {entry} IS NOT NULL AND time <= make_timestamp_ns($shown)
QUALIFY (since < make_timestamp_ns($until) AND time > make_timestamp_ns($look))
    OR row_number() OVER (PARTITION BY stream ORDER BY time DESC) = 1
ORDER BY stream, time
