"""Questions about metrics in, values over time out."""
