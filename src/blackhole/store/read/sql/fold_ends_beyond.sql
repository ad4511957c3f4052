UNION ALL
    SELECT stream, epoch_ns(max(time)), NULL, arg_max(epoch_us(created_at) * 1000, time)
    FROM {points}
    WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time > make_timestamp_ns($read) AND time <= make_timestamp_ns($shown)
    GROUP BY stream
