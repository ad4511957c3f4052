"""What comes out of the file: snapshots, samples, and an end for questions that take too long."""
