"""The database: guarded batches in, committed rows in one DuckDB file; questions in, rows out."""
