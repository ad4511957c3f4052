"""Makes the commands that print rows of the `insights` table: what was found, and what raised an alert."""

import json
from typing import Any

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import clock, table

MOST = 200
_COLUMNS = ("id", "insight_type", "title", "description", "severity", "metrics", "generated_at", "expires_at")
_SQL = (
    f"SELECT {', '.join(_COLUMNS)} FROM insights WHERE (insight_type = 'alert') = {{alerts}}"
    " ORDER BY generated_at DESC, id DESC"
)


def command(name: str, words: str, nothing: str, *, alerts: bool) -> click.Command:
    """`nothing`: what is said when there are no rows."""

    @click.command(name, help=words)
    @click.option("--utc", is_flag=True, help="Print times in UTC.")
    @reading
    def run(place: PlaceOption, utc: bool) -> None:
        from blackhole.cli.source import opened  # noqa: PLC0415

        with opened(place) as source:
            rows = json.loads(source.sql(_SQL.format(alerts=str(alerts).lower()), MOST))["rows"]
        found: list[dict[str, Any]] = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        if place.as_json:
            click.echo(json.dumps({name: found}))
        elif found:
            click.echo(_as_table(found, utc=utc))
        else:
            click.echo(nothing)

    return run


def _as_table(found: list[dict[str, Any]], *, utc: bool) -> str:
    rows = (
        [clock(one["generated_at"], utc=utc), one["severity"], one["title"], one["description"]]
        for one in found
    )
    return table(["time", "severity", "title", "description"], rows)
