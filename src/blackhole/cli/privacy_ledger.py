"""`blackhole privacy ledger`: what was charged to the privacy budget, the newest first."""

import json
from collections.abc import Mapping
from typing import Any

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import clock, number, table

_WORDS = {
    "start": "the service started",
    "stop": "the service stopped",
    "period": "a budget period began",
    "release": "released",
    "epoch": "units were forgotten at a restart",
    "spent": "nothing more in this period",
    "off": "differential privacy is off",
}


@click.command("ledger")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many rows."
)
@click.option("--before", type=click.IntRange(1), metavar="SEQUENCE", help="Only rows before this one.")
@click.option("--utc", is_flag=True, help="Print times in UTC.")
@reading
def command(place: PlaceOption, limit: int, before: int | None, utc: bool) -> None:
    """List what was charged to the privacy budget and for what, the newest first."""
    from blackhole.cli.source import opened  # noqa: PLC0415

    with opened(place) as source:
        body = source.privacy_ledger(before, limit)
    if place.as_json:
        click.echo(body.decode())
        return
    rows = json.loads(body)["rows"]
    if not rows:
        click.echo("the ledger is empty: nothing was charged")
        return
    columns = ["row", "time", "what", "metric", "window", "cost"]
    click.echo(table(columns, (_cells(row, utc=utc) for row in rows), right={"row", "cost"}))
    oldest = rows[-1]["sequence"]
    if oldest > 1:
        click.echo(f"note: older rows: --before {oldest}", err=True)


def _cells(row: Mapping[str, Any], *, utc: bool) -> list[object]:
    window = None if row["window_start"] is None else clock(row["window_start"], utc=utc)
    what = _WORDS.get(row["kind"], row["kind"])
    return [row["sequence"], clock(row["time"], utc=utc), what, row["metric"], window, _cost(row)]


def _cost(row: Mapping[str, Any]) -> str | None:
    if row["epsilon"] is None or row["rho"] is None:
        return "without bound"
    if row["kind"] != "release":
        return None
    if not (row["rho"] or row["epsilon"]):
        return "paid before"
    if row["rho"]:
        return f"ρ {number(row['rho'], 4)}"  # noqa: RUF001  (the name of that measure)
    return f"ε {number(row['epsilon'], 4)}"
