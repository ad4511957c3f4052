SELECT coalesce(max(len(bounds)), 0)
FROM histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND time < make_timestamp_ns($until)
