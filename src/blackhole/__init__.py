"""Blackhole Analytics: private, local analytics for peer-to-peer nodes."""

from importlib.metadata import version as _version

__version__ = _version("blackhole-analytics")
