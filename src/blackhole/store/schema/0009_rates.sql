-- What rates need to know of a stream. Of rows from before: nothing.
-- raw: keyed hash of the raw series without its start. kin: without what tells one process from the next as well, NULL
-- for guarded metrics. start: NULL where it is unknown, or of increments as sent (delta).
ALTER TABLE streams ADD COLUMN raw UBIGINT;
ALTER TABLE streams ADD COLUMN kin UBIGINT;
ALTER TABLE streams ADD COLUMN start TIMESTAMP_NS;
ALTER TABLE streams ADD COLUMN delta BOOLEAN;

-- Over what time something was counted, where that is not since the stream's row before, or was estimated, or is longer
-- than ten minutes. An increment without a row here grew since the stream's row before; the first of all is a baseline.
-- value: what was added (of histograms the count, and as total the sum). period: of the stream as of then, nanoseconds.
CREATE TABLE intervals (
    series UINTEGER NOT NULL,
    stream UINTEGER NOT NULL,
    time TIMESTAMP_NS NOT NULL,
    since TIMESTAMP_NS NOT NULL,
    value DOUBLE NOT NULL,
    total DOUBLE,
    estimated BOOLEAN NOT NULL,
    period BIGINT,
    created_at TIMESTAMP NOT NULL
);

-- since: the time of the stream's row before the first point; NULL where there is none, or that point has an interval.
-- period: median of the last nine distances between points as of the last one, nanoseconds.
-- grown: of counters, what grew in each hour, each increment spread evenly over the time that it was counted, but for
-- those of over an hour, which are in `intervals`. The last hour is that of `last`; where the first point grew in the
-- hour before its own as well, it is one hour more than `totals` has. NULL: not known.
ALTER TABLE chunks ADD COLUMN since TIMESTAMP_NS;
ALTER TABLE chunks ADD COLUMN period BIGINT;
ALTER TABLE chunks ADD COLUMN grown DOUBLE[];
ALTER TABLE histogram_chunks ADD COLUMN since TIMESTAMP_NS;
ALTER TABLE histogram_chunks ADD COLUMN period BIGINT;
