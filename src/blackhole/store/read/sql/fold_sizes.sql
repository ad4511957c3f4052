-- About how many sealed points of a range each series has, or begin at each time.
SELECT {by}, sum(count)::BIGINT
FROM {chunks}
WHERE series IN (SELECT unnest($ids::UINTEGER[]))
    AND coalesce(since, start) < make_timestamp_ns($until) AND {holds} {hourly}
GROUP BY ALL
ORDER BY ALL
