-- How many points, and how many rows among them, end in each block of $block nanoseconds. A chunk counts where it ends.
SELECT block, sum(points)::BIGINT, sum(points) FILTER (loose)::BIGINT
FROM (
    SELECT epoch_ns(last) // $block AS block, sum(count) AS points, false AS loose
    FROM {chunks}
    WHERE series IN (SELECT unnest($ids::UINTEGER[]))
        AND last >= make_timestamp_ns($from) AND start < make_timestamp_ns($until)
    GROUP BY block
    UNION ALL
    SELECT epoch_ns(time) // $block, count(*), true
    FROM {points}
    WHERE series IN (SELECT unnest($ids::UINTEGER[]))
        AND time >= make_timestamp_ns($from) AND time < make_timestamp_ns($until)
    GROUP BY ALL
)
GROUP BY block
ORDER BY block
