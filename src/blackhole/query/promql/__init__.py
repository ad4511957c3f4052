"""PromQL expressions in, values over time out: syntax, selection of series, evaluation."""
