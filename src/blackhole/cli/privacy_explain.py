"""`blackhole privacy explain`: what happens to a metric, by the configuration and the catalogue alone."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import number

if TYPE_CHECKING:
    from blackhole.privacy.explain import Explanation


@click.command("explain")
@click.argument("metric")
@reading
def command(place: PlaceOption, metric: str) -> None:
    """Say in plain words what happens to METRIC, how large its error will be, and what that rests on.

    By the configuration of the running service; without one, or with --config, by that which would hold here.
    """
    import msgspec  # noqa: PLC0415

    found, whose = _explained(place, metric)
    if place.as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    click.echo(f"{found.metric} is {found.privacy.replace('_', ' ')}, by the configuration {whose}.")
    click.echo(f"\n{found.words}")
    if figures := list(_figures(found)):
        click.echo("\n" + "\n".join(f"{name + ':':<22}{text}" for name, text in figures))
    click.echo("\nThis holds if:")
    for assumption in found.assumptions:
        click.echo(f"- {assumption}")


def _explained(place: PlaceOption, metric: str) -> tuple["Explanation", str]:
    """What is promised, and whose configuration says so."""
    import msgspec  # noqa: PLC0415

    from blackhole.catalogue.load import files, load  # noqa: PLC0415
    from blackhole.cli.source import find_service  # noqa: PLC0415
    from blackhole.privacy.explain import Explanation, explain_name  # noqa: PLC0415

    config = place.config()
    service = find_service(place, config) if place.config_file is None or place.url else None
    if service is not None:
        return msgspec.json.decode(service.explain(metric), type=Explanation), f"of {service.name}"
    whose = "here" if place.config_file is None else f"in {place.config_file}"
    return explain_name(metric, load(files(config, place.data_dir)), config), whose


def _figures(found: "Explanation") -> Iterator[tuple[str, str]]:
    if found.scale is None or found.expected_error_95 is None or found.epsilon is None:
        return
    rho = "" if found.rho is None else f", ρ = {number(found.rho, 4)}"  # noqa: RUF001  (the name of it)
    yield "noise", f"{str(found.mechanism).replace('_', ' ')}, scale {number(found.scale, 4)}"
    yield "cost of a release", f"ε = {number(found.epsilon, 4)}{rho}"
    yield "error of a value", f"±{number(found.expected_error_95, 4)} (95 %)"
    yield "error over a period", f"±{number(found.expected_error_95_period, 4)} (95 %), one group"
    yield "share of the budget", f"{found.share or 0:.1%}"
