SELECT coalesce(max(len(buckets)), 0) FROM recent_histogram_points WHERE created_at > make_timestamp($seen) AND epoch_us(created_at) % $step = $mark
