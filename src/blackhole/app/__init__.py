"""Wires the service, and runs what it does in the background."""
