"""Measures what the service costs: CPU a data point, start-up and idle memory."""
