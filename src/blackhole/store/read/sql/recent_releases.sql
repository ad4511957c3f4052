-- The noise of released values, by window, of windows since a given moment.
SELECT metric, epoch_ns(window_start), epoch_ns(window_end), mechanism, scale, step
FROM releases
WHERE window_start >= make_timestamp_ns($since) AND NOT lost
