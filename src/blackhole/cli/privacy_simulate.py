"""Runs a metric's release many times over made-up data, so that anyone can check what its noise does."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackhole.cli.options import PlaceOption, common
from blackhole.errors import BlackholeError, PrivacyError, UsageError

if TYPE_CHECKING:
    from blackhole.catalogue.definition import Definition
    from blackhole.catalogue.load import Catalogue


@click.command("simulate")
@click.option("--metric", required=True, metavar="NAME", help="A highly sensitive metric of the catalogue.")
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.ndjson",
    help='One {"value": 1, "attributes": {…}} a line.',
)
@click.option("--trials", required=True, type=click.IntRange(min=1), metavar="N", help="How many releases.")
@click.option("--epsilon", required=True, type=float, metavar="E", help="What each release costs a unit.")
@click.option("--delta", type=float, metavar="D", help="0: discrete Laplace. Default: privacy_delta.")
@click.option(
    "--output",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT.ndjson",
    help='Becomes one {"trial": 0, "group": {…}, "value": 1} a line.',
)
@common
def command(place: PlaceOption, metric: str, source: Path, target: Path, **numbers: Any) -> None:
    """Release a metric's window over and over from the lines of a file, as the service would.

    The input takes the service's own path: OTLP, catalogue, bounds, noise. No database is touched, and
    nothing is charged. The receipt of such a release goes to standard output.
    """
    import msgspec  # noqa: PLC0415

    from blackhole.audit.lines import read  # noqa: PLC0415
    from blackhole.audit.simulate import simulate  # noqa: PLC0415
    from blackhole.catalogue.load import load  # noqa: PLC0415

    config = place.config()
    epsilon, delta = _budget(numbers["epsilon"], numbers["delta"], default=config.privacy_delta)
    definition = released_entry(load([Path(name).expanduser() for name in config.catalogue]), metric)
    lines = read(source)
    settings = msgspec.structs.replace(config, privacy_budget=epsilon, privacy_delta=delta)
    try:
        with target.open("wb") as out:
            receipt = simulate(definition, settings, lines, numbers["trials"], out.write)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror}): name another --output") from None
    click.echo(msgspec.json.encode(receipt).decode())


def _budget(epsilon: float, delta: float | None, *, default: float) -> tuple[float, float]:
    delta = default if delta is None else delta
    if not 0 < epsilon < math.inf:
        raise UsageError("--epsilon: not a finite number above 0: write e.g. --epsilon 1")
    if not 0 <= delta < 1:
        raise UsageError("--delta: not at least 0 and below 1: write e.g. --delta 1e-9")
    return epsilon, delta


def released_entry(catalogue: "Catalogue", metric: str) -> "Definition":
    """The entry of a highly sensitive metric. Raises PrivacyError for another, BlackholeError for none."""
    import msgspec  # noqa: PLC0415

    found = catalogue.match(metric)
    if found is None:
        near = catalogue.near(metric)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `blackhole catalogue list`"
        raise BlackholeError(f"{metric}: not in the catalogue: {hint}")
    if found.privacy != "highly_sensitive":
        raise PrivacyError(
            f"{metric} is {found.privacy}: no noise is added to it, so there is nothing to see here: "
            "see `blackhole catalogue list --level highly_sensitive`"
        )
    return msgspec.structs.replace(found, name=metric)
