"""Turns the options that all commands share into a `PlaceOption`: configuration, directory, service."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from blackhole.config import Config


R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PlaceOption:
    config_file: Path | None = None
    directory: Path | None = None
    url: str | None = None
    as_json: bool = False

    def config(self) -> "Config":
        """The effective configuration. Raises ConfigError."""
        from blackhole.config import load  # noqa: PLC0415  (only commands that read it pay for it)

        return load(self.config_file)

    @property
    def data_dir(self) -> Path:
        from blackhole.config import data_dir  # noqa: PLC0415

        return self.directory if self.directory is not None else data_dir()


_CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file (YAML).",
)
_DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where the data live."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
_URL = click.option(
    "--url", envvar="BLACKHOLE_URL", metavar="URL", help="Ask the service there, as http://127.0.0.1:8080."
)


def common(function: Callable[..., R]) -> Callable[..., R]:
    """Adds --config, --data-dir and --json, and passes them as `place`."""

    def with_place(
        *args: Any, config_file: Path | None, data_dir: Path | None, as_json: bool, **more: Any
    ) -> R:
        place = PlaceOption(config_file, data_dir, more.pop("url", None), as_json)
        return function(*args, place=place, **more)

    return _CONFIG(_DATA_DIR(_JSON(update_wrapper(with_place, function))))


def reading(function: Callable[..., R]) -> Callable[..., R]:
    """Adds what `common` adds, and --url."""
    return _URL(common(function))
