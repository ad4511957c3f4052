"""`blackhole privacy`: what is promised about people, what of it was spent, and the proof."""

import click

from blackhole.cli import Commands

COMMANDS = {
    "budget": (
        "blackhole.cli.privacy_budget",
        "Say what is left of the privacy budget, and when it refills.",
    ),
    "ledger": ("blackhole.cli.privacy_ledger", "List what was charged to the budget, and for what."),
    "explain": ("blackhole.cli.privacy_explain", "Say in plain words what happens to a metric."),
    "simulate": ("blackhole.cli.privacy_simulate", "Release a metric over and over from a file."),
    "audit": ("blackhole.cli.privacy_audit", "Try whether the engine keeps its promise."),
    "verify": ("blackhole.cli.privacy_verify", "Replay the ledger and say whether its promise was kept."),
}


@click.command("privacy", cls=Commands, table=COMMANDS, no_args_is_help=True)
def command() -> None:
    """Say what is promised, spent and left, and put it to the test."""
