"""Turns OTLP requests on the wire into Payloads, and Verdicts or errors into answers."""
