"""Prints the version."""

import click

import blackhole
from blackhole.cli.options import PlaceOption, common


@click.command("version")
@common
def command(place: PlaceOption) -> None:
    """Print the version."""
    if place.as_json:
        import json  # noqa: PLC0415

        click.echo(json.dumps({"version": blackhole.__version__}))
    else:
        click.echo(f"blackhole {blackhole.__version__}")
