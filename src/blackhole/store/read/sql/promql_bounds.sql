-- Reads chunks that may be in the range, and not the views, which would unpack each point.
SELECT DISTINCT series, bounds FROM recent_histogram_points
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
    AND bounds IS NOT NULL
UNION
SELECT DISTINCT series, bounds FROM histogram_chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND last >= make_timestamp_ns($from)
    AND start < make_timestamp_ns($until)
    AND bounds IS NOT NULL
UNION
SELECT DISTINCT series, bounds FROM released_lists
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND time >= make_timestamp_ns($from)
    AND time < make_timestamp_ns($until)
    AND bounds IS NOT NULL
