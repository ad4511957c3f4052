-- Output series. `attributes` is canonical JSON; guarded metrics hold only what the guard let through.
CREATE TABLE series (
    id UINTEGER NOT NULL,
    metric VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    attributes JSON NOT NULL,
    privacy_level INTEGER NOT NULL,
    node_id VARCHAR,
    created_at TIMESTAMP NOT NULL
);

-- Raw series as sent, known by a keyed hash only. The key of the hash is not in this file.
CREATE TABLE streams (
    id UINTEGER NOT NULL,
    key BLOB NOT NULL,
    series UINTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL
);

-- One row per number point. `cumulative`: the running value as sent, where it was cumulative.
CREATE TABLE points (
    series UINTEGER NOT NULL,
    stream UINTEGER NOT NULL,
    time TIMESTAMP_NS NOT NULL,
    value DOUBLE NOT NULL,
    cumulative DOUBLE,
    created_at TIMESTAMP NOT NULL
);

-- One row per histogram point: what the interval added. `buckets` has one count more than `bounds`.
CREATE TABLE histogram_points (
    series UINTEGER NOT NULL,
    stream UINTEGER NOT NULL,
    time TIMESTAMP_NS NOT NULL,
    count UBIGINT NOT NULL,
    sum DOUBLE,
    min DOUBLE,
    max DOUBLE,
    bounds DOUBLE[],
    buckets UBIGINT[],
    cumulative_count UBIGINT,
    cumulative_sum DOUBLE,
    cumulative_bounds DOUBLE[],
    cumulative_buckets UBIGINT[],
    created_at TIMESTAMP NOT NULL
);

-- One row per stored point. An interval of a histogram in which nothing was observed has no mean, so no row.
CREATE VIEW metrics AS
SELECT
    2 * p.rowid AS id,
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
    2 * h.rowid + 1,
    CAST(h.time AS TIMESTAMP),
    s.metric,
    s.type,
    h.sum / h.count,
    s.attributes,
    s.node_id,
    s.privacy_level,
    h.created_at
FROM histogram_points AS h JOIN series AS s ON s.id = h.series
WHERE h.count > 0 AND h.sum IS NOT NULL;

CREATE TABLE metric_aggregates (
    id BIGINT PRIMARY KEY,
    time_bucket TIMESTAMP NOT NULL,
    metric_name VARCHAR NOT NULL,
    aggregation_type VARCHAR NOT NULL,
    aggregated_value DOUBLE NOT NULL,
    sample_count INTEGER NOT NULL,
    attributes JSON,
    created_at TIMESTAMP DEFAULT make_timestamp(epoch_us(now()))
);

CREATE TABLE insights (
    id BIGINT PRIMARY KEY,
    insight_type VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    description TEXT,
    severity VARCHAR,
    metrics JSON,
    generated_at TIMESTAMP DEFAULT make_timestamp(epoch_us(now())),
    expires_at TIMESTAMP
);

CREATE TABLE retention_policies (
    metric_pattern VARCHAR PRIMARY KEY,
    retention_days INTEGER NOT NULL,
    aggregation_strategy VARCHAR,
    created_at TIMESTAMP DEFAULT make_timestamp(epoch_us(now()))
);

INSERT INTO retention_policies (metric_pattern, retention_days, aggregation_strategy) VALUES
    ('infrastructure.*', 30, 'hourly_aggregation'),
    ('p2p.*', 14, 'daily_aggregation'),
    ('business.*', 7, 'daily_aggregation_with_noise');
