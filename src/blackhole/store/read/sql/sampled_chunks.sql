-- At which rates chunks of some series were kept, where not all was.
SELECT DISTINCT sampling_rate
FROM {chunks}
WHERE series IN (SELECT unnest($ids::UINTEGER[])) AND sampling_rate IS NOT NULL
    AND last >= make_timestamp_ns($from) AND start < make_timestamp_ns($until)
