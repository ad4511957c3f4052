-- The commits whose rows were thinned, and the share of rows that was kept, a power of two. All others kept all rows. A
-- column in each row would cost a sixth of what storing a row takes.
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
