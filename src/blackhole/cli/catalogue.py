"""Shows and checks what may be collected."""

from pathlib import Path
from typing import Any

import click

from blackhole.cli.options import PlaceOption, common, reading
from blackhole.cli.render import table
from blackhole.errors import BlackholeError

LEVELS = ("public", "internal", "sensitive", "highly_sensitive")


@click.group("catalogue")
def command() -> None:
    """Show and check what may be collected."""


@command.command("list")
@click.option("--level", type=click.Choice(LEVELS), help="Only this privacy level.")
@click.option("--category", type=click.Choice(("infrastructure", "p2p", "business")))
@common
def show_all(place: PlaceOption, level: str | None, category: str | None) -> None:
    """List the metrics that are accepted."""
    entries = [
        entry
        for entry in sorted(_load(place), key=lambda entry: entry.name)
        if level in {None, entry.privacy} and category in {None, entry.category}
    ]
    if place.as_json:
        _print_json(entries)
        return
    rows = ([e.name, e.type.value, e.unit or "1", e.privacy.replace("_", " "), e.category] for e in entries)
    click.echo(table(["metric", "type", "unit", "privacy", "category"], rows))


@command.command("show")
@click.argument("name")
@common
def show(place: PlaceOption, name: str) -> None:
    """Show what is done with the metric NAME, and why it is collected."""
    catalogue = _load(place)
    entry = catalogue.get(name) or catalogue.match(name)
    if entry is None:
        near = catalogue.near(name)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `blackhole catalogue list`"
        raise BlackholeError(f"{name}: not in the catalogue, so it is refused: {hint}")
    if place.as_json:
        _print_json(entry)
        return
    import msgspec  # noqa: PLC0415

    for key, value in msgspec.to_builtins(entry).items():
        if value not in (None, {}, []):
            click.echo(f"{key + ':':<22}{_words(value)}")
    click.echo(f"{'defined in:':<22}{catalogue.source(entry.name)}")


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@common
def check(place: PlaceOption, file: Path) -> None:
    """Say whether the catalogue file FILE would be accepted beside the others."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from blackhole.catalogue.check import check_file  # noqa: PLC0415
    from blackhole.catalogue.load import files  # noqa: PLC0415

    today = datetime.now(UTC).date()
    checked = check_file(file, files(place.config(), place.data_dir), today)
    if place.as_json:
        _print_json({"file": str(file), "metrics": len(checked.entries), "warnings": checked.warnings})
        return
    for warning in checked.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{file}: ok, {len(checked.entries)} metrics")


@command.command("allow")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("--privacy", default="internal", help="public or internal; guarded levels need a file.")
@click.option("--purpose", help="The question that they answer.")
@click.option("--type", type=click.Choice(("counter", "updowncounter", "gauge", "histogram")))
@click.option("--unit", help="UCUM, as in ms, By, {request}.")
@click.option("--keep", multiple=True, metavar="KEY", help="An attribute that survives; may be repeated.")
@reading
def allow(place: PlaceOption, **wanted: Any) -> None:
    """Collect the metrics NAME from here on: adds them to catalogue.yaml in the data directory.

    Type and unit are those of what the running service refused, unless they are given. Of a metric that the
    catalogue has, this changes the type, the unit and the attributes that are kept.
    """
    from blackhole.cli.allow import allowed  # noqa: PLC0415

    given = {key: value for key, value in wanted.items() if value not in (None, ())}
    answer, where = allowed(place, given)
    if place.as_json:
        _print_json(answer)
        return
    for entry in answer["allowed"]:
        click.echo(f"{entry['name']}: {entry['privacy']} {entry['type']} in {entry['unit'] or '1'}, {where}")
        if entry.get("instead_of"):
            click.echo(
                f"  instead of a {entry['instead_of']}: what is sent as one may be refused from now on"
            )
    for name in answer["already"]:
        click.echo(f"{name}: is allowed and was not changed, see `blackhole catalogue show {name}`")


@command.command("unused")
@click.option(
    "--days", type=click.IntRange(min=0), default=30, show_default=True, help="Not asked for in N days."
)
@reading
def unused(place: PlaceOption, days: int) -> None:
    """List what is stored though nobody asks for it, and entries whose day of review is past."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from blackhole.cli.source import opened  # noqa: PLC0415
    from blackhole.cli.unused import as_text, found  # noqa: PLC0415

    with opened(place) as source:
        answer = found(source.metrics(), days, datetime.now(UTC))
    if place.as_json:
        _print_json(answer)
    else:
        click.echo(as_text(answer))


def _load(place: PlaceOption) -> Any:
    from blackhole.catalogue.load import files, load  # noqa: PLC0415

    return load(files(place.config(), place.data_dir))


def _print_json(value: object) -> None:
    import msgspec  # noqa: PLC0415

    click.echo(msgspec.json.encode(value).decode())


def _words(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_words(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
