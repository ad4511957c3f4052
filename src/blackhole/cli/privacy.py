"""Shows and tests what is done for privacy."""

from importlib import import_module

import click

_COMMANDS = {
    "simulate": (
        "blackhole.cli.privacy_simulate",
        "Release a metric over and over from a file.",
    ),
    "audit": ("blackhole.cli.privacy_audit", "Try whether the engine keeps its promise."),
}


class _Commands(click.Group):
    """Imports a command's module only when that command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101
        return command


@click.command("privacy", cls=_Commands)
def command() -> None:
    """Show and test what is done for privacy."""
