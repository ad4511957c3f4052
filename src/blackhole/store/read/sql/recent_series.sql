SELECT id, metric, type, unit, attributes, privacy_level FROM series WHERE id IN (SELECT unnest($ids::UINTEGER[]))
