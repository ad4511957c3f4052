-- What was spent of the privacy budget, and why. Each row's hash covers the row and the hash before it. epsilon is
-- charged if delta is 0, else rho. details: the plan of a period, the receipt of a release, or a reason.
CREATE TABLE privacy_ledger (
    sequence BIGINT NOT NULL,
    time TIMESTAMP_NS NOT NULL,
    kind VARCHAR NOT NULL,
    period_start TIMESTAMP_NS NOT NULL,
    period_end TIMESTAMP_NS NOT NULL,
    metric VARCHAR,
    window_start TIMESTAMP_NS,
    window_end TIMESTAMP_NS,
    epsilon DOUBLE NOT NULL,
    rho DOUBLE NOT NULL,
    details JSON NOT NULL,
    previous VARCHAR NOT NULL,
    hash VARCHAR NOT NULL
);

-- One row per release of a metric: the noise of its values in that window. The values are in `metrics`. lost: the
-- release was charged, and its values are not in the file because the service was killed in between.
CREATE TABLE releases (
    ledger BIGINT NOT NULL,
    metric VARCHAR NOT NULL,
    window_start TIMESTAMP_NS NOT NULL,
    window_end TIMESTAMP_NS NOT NULL,
    privacy_unit VARCHAR NOT NULL,
    mechanism VARCHAR NOT NULL,
    epsilon DOUBLE NOT NULL,
    delta DOUBLE NOT NULL,
    rho DOUBLE,
    scale DOUBLE NOT NULL,
    count_scale DOUBLE,
    factorisation VARCHAR,
    step INTEGER,
    receipt JSON NOT NULL,
    lost BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL
);

-- Noisy lists: the buckets of a released histogram (bounds as in histogram_points), or the sum and the count
-- of a released gauge (no bounds). Each value may be negative.
CREATE TABLE released_lists (
    series UINTEGER NOT NULL,
    time TIMESTAMP_NS NOT NULL,
    bounds DOUBLE[],
    noisy DOUBLE[] NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE OR REPLACE VIEW metrics AS
SELECT
    3 * p.rowid AS id,
    CAST(p.time AS TIMESTAMP) AS timestamp,
    s.metric AS metric_name,
    s.type AS metric_type,
    p.value AS value,
    s.attributes AS attributes,
    s.node_id AS node_id,
    s.privacy_level AS privacy_level,
    p.created_at AS created_at
FROM points AS p JOIN series AS s ON s.id = p.series
UNION ALL
SELECT
    3 * h.rowid + 1,
    CAST(h.time AS TIMESTAMP),
    s.metric,
    s.type,
    h.sum / h.count,
    s.attributes,
    s.node_id,
    s.privacy_level,
    h.created_at
FROM histogram_points AS h JOIN series AS s ON s.id = h.series
WHERE h.count > 0 AND h.sum IS NOT NULL
UNION ALL
SELECT
    3 * l.rowid + 2,
    CAST(l.time AS TIMESTAMP),
    s.metric,
    s.type,
    l.noisy[1] / l.noisy[2],
    s.attributes,
    s.node_id,
    s.privacy_level,
    l.created_at
FROM released_lists AS l JOIN series AS s ON s.id = l.series
WHERE l.bounds IS NULL AND l.noisy[2] > 0;
