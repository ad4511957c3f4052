"""Decides what may be kept: turns a decoded `Batch` into a `GuardedBatch`, or names why not."""
