-- The commits whose rows were thinned, and the share of rows that was kept, a power of two; all others kept all.
-- A row would say it at the cost of a column: a sixth of what storing it takes.
CREATE TABLE thinned (
    created_at TIMESTAMP NOT NULL,
    sampling_rate FLOAT NOT NULL
);

INSERT INTO thinned
SELECT DISTINCT created_at, sampling_rate FROM points WHERE sampling_rate < 1
UNION
SELECT DISTINCT created_at, sampling_rate FROM histogram_points WHERE sampling_rate < 1;

ALTER TABLE points DROP COLUMN sampling_rate;
ALTER TABLE histogram_points DROP COLUMN sampling_rate;
