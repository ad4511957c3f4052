-- Single spans and log records, which stay for as long as the owner keeps them. `series` is the count that they belong
-- to; it has all that is known of them. Ids are hashes under a key that the service forgets when it stops.
CREATE TABLE kept_spans (
    series UINTEGER NOT NULL,
    time TIMESTAMP_NS NOT NULL,
    duration_ns BIGINT,
    trace UBIGINT,
    span UBIGINT,
    parent UBIGINT,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE kept_logs (
    series UINTEGER NOT NULL,
    time TIMESTAMP_NS NOT NULL,
    body VARCHAR,
    created_at TIMESTAMP NOT NULL
);

CREATE VIEW spans AS
SELECT
    CAST(k.time AS TIMESTAMP) AS timestamp,
    s.attributes ->> '$."service.name"' AS service,
    s.attributes ->> '$."span.kind"' AS kind,
    s.attributes ->> '$."status.code"' AS status,
    k.duration_ns / 1e6 AS duration_ms,
    s.attributes AS attributes,
    lower(hex(k.trace)) AS trace,
    lower(hex(k.span)) AS span,
    lower(hex(k.parent)) AS parent
FROM kept_spans AS k JOIN series AS s ON s.id = k.series;

CREATE VIEW logs AS
SELECT
    CAST(k.time AS TIMESTAMP) AS timestamp,
    s.attributes ->> '$."service.name"' AS service,
    s.attributes ->> '$."severity"' AS severity,
    s.attributes ->> '$."event.name"' AS event_name,
    k.body AS body
FROM kept_logs AS k JOIN series AS s ON s.id = k.series;
