SELECT id, series, delta, raw, kin, epoch_ns(start) FROM streams WHERE id IN (SELECT unnest($ids::UINTEGER[]))
