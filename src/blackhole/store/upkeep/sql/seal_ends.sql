-- Where streams were before a block: their last time, and the chunks that reach into it, the last one first.
SELECT stream, epoch_ns(max(last) FILTER (last < make_timestamp_ns($from))),
    arg_max(period, last) FILTER (last < make_timestamp_ns($from)),
    list([epoch_ns(start), epoch_ns(last), period] ORDER BY last DESC) FILTER (last >= make_timestamp_ns($from))
FROM (
    SELECT stream, start, last, period FROM {chunks}
    WHERE last >= make_timestamp_ns($before) AND start < make_timestamp_ns($until)
        AND series IN (SELECT unnest($ids::UINTEGER[]))
    UNION ALL
    SELECT stream, time, time, NULL FROM {table}
    WHERE time >= make_timestamp_ns($before) AND time < make_timestamp_ns($from) AND stream > 0
        AND series IN (SELECT unnest($ids::UINTEGER[]))
)
GROUP BY stream
