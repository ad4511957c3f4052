"""Runs one SELECT in the sandbox of the service, or on the file, and prints its rows."""

import json
import sys

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import Form, as_csv, form_option, table

_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "HUGEINT")


@click.command("sql")
@click.argument("text", metavar='"SELECT …"')
@click.option("--max-rows", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@form_option
@reading
def command(place: PlaceOption, text: str, max_rows: int, form: str | None) -> None:
    """Read the database, as `blackhole sql "SELECT count(*) FROM metrics"`; `-` reads the text from stdin."""
    from blackhole.cli.source import opened  # noqa: PLC0415

    statement = sys.stdin.read() if text == "-" else text
    with opened(place) as source:
        body = source.sql(statement, max_rows)
    chosen = Form.JSON if place.as_json else Form(form or Form.TABLE)
    if chosen is Form.JSON:
        click.echo(body.decode())
        return
    answer = json.loads(body)
    columns, rows = answer["columns"], answer["rows"]
    if chosen is Form.CSV:
        click.echo(as_csv(columns, rows))
    else:
        right = {name for name, kind in zip(columns, answer["types"], strict=True) if _is_number(kind)}
        click.echo(table(columns, rows, right=right))
    if answer["truncated"]:
        click.echo(f"note: there are more than {len(rows)} rows: raise --max-rows or add a LIMIT", err=True)


def _is_number(kind: str) -> bool:
    return any(word in kind.upper() for word in _NUMBERS) and "[" not in kind
