-- What rates need to know of a stream. Older rows have nothing here. raw: keyed hash of the raw series without its
-- start. kin: the same, also without what tells one process from the next; NULL for guarded metrics. start: NULL if it
-- is unknown, or if increments were sent (delta).
ALTER TABLE streams ADD COLUMN raw UBIGINT;
ALTER TABLE streams ADD COLUMN kin UBIGINT;
ALTER TABLE streams ADD COLUMN start TIMESTAMP_NS;
ALTER TABLE streams ADD COLUMN delta BOOLEAN;

-- The time over which an increment was counted. There is a row if that is not since the stream's row before, if it was
-- estimated, or if it is longer than ten minutes. An increment without a row grew since the stream's row before; a
-- stream's first row is a baseline. value: what was added (of histograms the count; total is the sum). period: the
-- stream's period at that time, in nanoseconds.
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

-- since: the time of the stream's row before the first point; NULL if there is none, or if that point has a row in
-- `intervals`. period: the median of the last nine distances between points at the last one, in nanoseconds. grown:
-- what a counter grew in each hour. Increments are spread evenly over their time, except those over more than an hour,
-- which are in `intervals`. The last hour is that of `last`. If the first point also grew in the hour before its own,
-- `grown` is one hour longer than `totals`. NULL: not known.
ALTER TABLE chunks ADD COLUMN since TIMESTAMP_NS;
ALTER TABLE chunks ADD COLUMN period BIGINT;
ALTER TABLE chunks ADD COLUMN grown DOUBLE[];
ALTER TABLE histogram_chunks ADD COLUMN since TIMESTAMP_NS;
ALTER TABLE histogram_chunks ADD COLUMN period BIGINT;
