"""Turns what the query layer answers into findings to look at, and keeps them in the file."""
