"""Shows and checks what may be collected."""

from pathlib import Path
from typing import Any

import click

from blackhole.cli.options import Place, common
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
def show_all(place: Place, level: str | None, category: str | None) -> None:
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
def show(place: Place, name: str) -> None:
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
def check(place: Place, file: Path) -> None:
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


def _load(place: Place) -> Any:
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
