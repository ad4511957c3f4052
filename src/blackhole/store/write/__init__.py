"""What goes into the file: points, their streams' state, releases."""
