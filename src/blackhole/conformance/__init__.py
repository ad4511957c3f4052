"""Turns the address of any OTLP receiver into a list of rules that it keeps or breaks, from outside alone."""
