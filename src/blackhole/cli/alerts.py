"""`blackhole alerts`: what raised an alert."""

from blackhole.cli import findings

command = findings.command("alerts", "Say what raised an alert.", "no alerts", alerts=True)
