"""PromQL over what is stored, with the answers of Prometheus."""
