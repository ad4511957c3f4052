"""`blackhole insights`: what was found in the data."""

from blackhole.cli import findings

command = findings.command(
    "insights", "Say what was found in the data.", "nothing was found yet", alerts=False
)
