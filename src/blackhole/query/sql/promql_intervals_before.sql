SELECT series, bounds, sum(count)::DOUBLE, sum(sum), {cells}
FROM histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until)
GROUP BY series, bounds
