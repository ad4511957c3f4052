"""`blackhole privacy budget`: what of the privacy budget is left, and what each metric has spent."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import clock, number, table


@click.command("budget")
@click.option("--utc", is_flag=True, help="Print times in UTC.")
@reading
def command(place: PlaceOption, utc: bool) -> None:
    """Say what is left of the privacy budget, and when it refills."""
    from blackhole.cli.source import opened  # noqa: PLC0415

    with opened(place) as source:
        body = source.privacy_budget()
    if place.as_json:
        click.echo(body.decode())
        return
    budget = json.loads(body)
    click.echo("\n".join(f"{name + ':':<12}{text}" for name, text in _lines(budget, utc=utc)))
    if budget["metrics"]:
        rows = ([one["metric"], f"{one['share']:.1%}", number(one["spent"], 4)] for one in budget["metrics"])
        click.echo("\n" + table(["metric", "share", "ε of it alone"], rows, right={"share", "ε of it alone"}))


def _lines(budget: Mapping[str, Any], *, utc: bool) -> Iterator[tuple[str, str]]:
    ends = clock(budget["period_ends"], utc=utc)
    yield (
        "budget",
        f"ε = {number(budget['epsilon'])}, δ = {number(budget['delta'])} for each person or peer and period",
    )
    yield "period", f"{clock(budget['period_begins'], utc=utc)} to {ends}"
    if budget["state"] == "off":
        yield "spent", "without bound: differential privacy is off, or was in this period"
    else:
        yield "spent", f"ε = {number(budget['spent'], 4)}"
    if budget["state"] == "open":
        yield "left", f"ε = {number(budget['remaining'], 4)}"
    else:
        yield "left", f"nothing: no highly sensitive metric is released before {ends}"
