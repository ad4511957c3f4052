-- A chunk counts as present from its first to its last point, as a block of Prometheus does.
SELECT DISTINCT series FROM chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND last >= make_timestamp_ns($from)
    AND start < make_timestamp_ns($until)
UNION
SELECT DISTINCT series FROM recent_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
UNION
SELECT DISTINCT series FROM histogram_chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND last >= make_timestamp_ns($from)
    AND start < make_timestamp_ns($until)
UNION
SELECT DISTINCT series FROM recent_histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
UNION
SELECT DISTINCT series FROM released_lists
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
