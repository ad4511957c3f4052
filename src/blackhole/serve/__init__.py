"""Turns questions over HTTP and WebSocket into answers of the query layer, and serves the dashboard."""
