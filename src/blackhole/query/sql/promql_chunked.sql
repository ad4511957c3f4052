SELECT DISTINCT series
FROM histogram_chunks
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND last >= make_timestamp_ns($from)
    AND start < make_timestamp_ns($until)
