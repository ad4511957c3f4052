-- The share of rows that were kept when this one was stored, a power of two; what they add up to is exact.
ALTER TABLE points ADD COLUMN sampling_rate FLOAT DEFAULT 1;
ALTER TABLE histogram_points ADD COLUMN sampling_rate FLOAT DEFAULT 1;
