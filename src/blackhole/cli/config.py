"""Shows and checks the configuration."""

from pathlib import Path

import click

from blackhole.cli.options import PlaceOption, common


@click.group("config")
def command() -> None:
    """Show and check the configuration."""


@command.command("show")
@common
def show(place: PlaceOption) -> None:
    """Print the effective configuration: defaults, file and environment together."""
    from blackhole.config import to_words  # noqa: PLC0415

    settings = {"analytics": to_words(place.config())}
    if place.as_json:
        import json  # noqa: PLC0415

        click.echo(json.dumps(settings))
    else:
        import yaml  # noqa: PLC0415

        click.echo(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).rstrip())


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@common
def check(place: PlaceOption, file: Path | None) -> None:
    """Say whether FILE (or the configuration in use) and the catalogue files that it names are right."""
    from blackhole.catalogue.load import files  # noqa: PLC0415
    from blackhole.catalogue.load import load as load_catalogue  # noqa: PLC0415
    from blackhole.config import idle_settings, load  # noqa: PLC0415

    config = load(file or place.config_file)
    load_catalogue(files(config, place.data_dir))
    for line in idle_settings(config):
        click.echo(line, err=True)
    click.echo('{"ok": true}' if place.as_json else "ok")
