SELECT DISTINCT series, bounds FROM histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
    AND bounds IS NOT NULL
UNION
SELECT DISTINCT series, bounds FROM released_lists
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
    AND bounds IS NOT NULL
