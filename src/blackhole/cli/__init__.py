"""Turns a command line into one command, and whatever goes wrong into one line and an exit code."""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from blackhole.errors import BlackholeError

INTERRUPTED = 130
BROKEN_PIPE = 141

COMMANDS = {
    "serve": ("blackhole.cli.serve", "Run the service until Ctrl-C or SIGTERM."),
    "demo": ("blackhole.cli.demo", "Run the service beside a real peer-to-peer network on this machine."),
    "query": ("blackhole.cli.query", "Ask for one metric over time: a table, JSON, CSV or a chart."),
    "sql": ("blackhole.cli.sql", "Read the database with SQL."),
    "status": ("blackhole.cli.status", "Say how the service fares: what it took, refused and stores."),
    "catalogue": ("blackhole.cli.catalogue", "Show and check what may be collected."),
    "privacy": ("blackhole.cli.privacy", "Say what is promised, spent and left, and put it to the test."),
    "insights": ("blackhole.cli.insights", "Say what was found in the data."),
    "alerts": ("blackhole.cli.alerts", "Say what raised an alert."),
    "export": ("blackhole.cli.export", "Write metrics to files, or the whole database as a backup."),
    "forget": ("blackhole.cli.forget", "Erase what is stored, and prove that it is gone."),
    "config": ("blackhole.cli.config", "Show and check the configuration."),
    "doctor": ("blackhole.cli.doctor", "Say what is wrong here and how to mend it."),
    "env": ("blackhole.cli.env", "Print the lines that point programs of any language here."),
    "conformance": ("blackhole.cli.conformance", "Try any OTLP receiver against the specification."),
    "version": ("blackhole.cli.version", "Print the version."),
}


class Commands(click.Group):
    """Imports a command's module only when that command is run, so that each starts quickly.

    `table`: by name the module, which has the command as `command`, and what it does.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._table:
            return None
        command = import_module(self._table[cmd_name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in self._table.items()])
        del ctx


@click.command(
    cls=Commands,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
@click.option("--debug", is_flag=True, envvar="BLACKHOLE_DEBUG", help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Private, local analytics: OpenTelemetry in, one DuckDB file, a live page."""
    if debug:
        os.environ["BLACKHOLE_DEBUG"] = "1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code (docs/cli.md)."""
    try:
        code = cli.main(arguments, prog_name="blackhole", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except SystemExit as error:  # how click ends completions (0), and commands whose reader has gone (1)
        return BROKEN_PIPE if error.code == 1 else 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  (a person never sees a traceback unasked)
        return _failed(error)
    return code if isinstance(code, int) else 0


def _failed(error: Exception) -> int:
    """Says in one line what went wrong. Returns the exit code."""
    if os.environ.get("BLACKHOLE_DEBUG"):
        import traceback  # noqa: PLC0415

        traceback.print_exception(error)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        words, code = error.format_message(), error.exit_code
    elif isinstance(error, click.ClickException):
        words, code = _one_line(_usage_words(error)), error.exit_code
    elif isinstance(error, BlackholeError):
        words, code = _one_line(str(error)), error.exit_code
    else:
        unexpected = f"unexpected {type(error).__name__}: {error}: run again with --debug, and report it"
        words, code = _one_line(unexpected), 1
    with contextlib.suppress(OSError):
        click.echo(words, err=True)
    return code


def _one_line(message: str) -> str:
    return f"blackhole: {' '.join(message.split())}"


def _usage_words(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    where = f" (see `{context.command_path} --help`)" if context is not None else ""
    return f"{error.format_message().rstrip('.')}{where}"


def _drop_output() -> None:
    """Lets the interpreter's last flush go nowhere instead of complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
