"""`blackhole export`: writes metrics to files, or the whole database into a directory as a backup."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import number, size
from blackhole.errors import BlackholeError, UnavailableError, UsageError

if TYPE_CHECKING:
    from blackhole.cli.source import Source
    from blackhole.query.export import ExportedRow, Range

FORMATS = ("parquet", "csv", "json")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_EVER_NS = 2**62


@click.command("export")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Of the files, one for each metric.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="A metric, or `p2p.*`; repeatable.")
@click.option(
    "--last", metavar="DURATION", help="From that long ago until now (default: all that is stored)."
)
@click.option("--start", metavar="TIME", help="RFC 3339, local unless it says otherwise, or Unix seconds.")
@click.option("--end", metavar="TIME", help="As --start; not included.")
@click.option("--to", "target", type=click.Path(path_type=Path), metavar="DIR", help="Where the files go.")
@click.option(
    "--database", type=click.Path(path_type=Path), metavar="DIR", help="Back up the database there."
)
@reading
def command(
    *,
    place: PlaceOption,
    form: str | None,
    metrics: tuple[str, ...],
    last: str | None,
    start: str | None,
    end: str | None,
    target: Path | None,
    database: Path | None,
) -> None:
    """Write metrics to files of --format in --to, or back up the whole database into --database.

    Only what is stored is written; on private metrics that has passed the guard, and carries its intervals.
    """
    if database is not None:
        if form or metrics or last or start or end or target:
            raise UsageError("--database copies everything: leave the other options away")
        _print(place, _backed_up(place, database))
        return
    if not (form and metrics and target):
        raise UsageError("name what, as what and where: --metric NAME --format parquet --to DIR")
    from blackhole.cli.query import time_range  # noqa: PLC0415
    from blackhole.query.export import Range  # noqa: PLC0415

    between = time_range(last, start, end, utc=False)
    span = Range(
        round(between.get("start_time", 0) * 1e9), round(between.get("end_time", _EVER_NS / 1e9) * 1e9)
    )
    _print(place, _exported(place, metrics, form, target, span))


def _print(place: PlaceOption, files: list[dict[str, Any]]) -> None:
    if place.as_json:
        click.echo(json.dumps({"files": files}))
        return
    for file in files:
        rows = f", {number(file['rows'])} rows" if "rows" in file else ""
        click.echo(f"{file['path']}: {size(file['bytes'])}{rows}")


def _exported(
    place: PlaceOption, metrics: Iterable[str], form: str, target: Path, span: "Range"
) -> list[dict[str, Any]]:
    from blackhole.cli.source import opened  # noqa: PLC0415
    from blackhole.query import export  # noqa: PLC0415

    written = []
    with opened(place) as source:
        files = dict(_files(source, metrics, form, target))
        _make(target)
        for metric, file in files.items():
            rows = _write(file, form, export.rows(source.sql, metric, span))
            written.append({"path": str(file), "bytes": file.stat().st_size, "rows": rows})
    return written


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}: name another --to") from None


def _files(source: "Source", metrics: Iterable[str], form: str, target: Path) -> Iterator[tuple[str, Path]]:
    """Each metric and its file, before any is written. Raises BlackholeError."""
    from blackhole.query import export  # noqa: PLC0415

    taken: set[Path] = set()
    for wanted in metrics:
        names = export.names(source.sql, wanted)
        if not names:
            raise BlackholeError(f"{wanted}: nothing of it is stored: see `blackhole catalogue list`")
        for name in names:
            file = target / f"{_UNSAFE.sub('_', name)}.{form}"
            if file.exists():
                raise BlackholeError(
                    f"{file}: is there already, and nothing is overwritten: name another --to"
                )
            if file in taken:
                raise BlackholeError(f"{file}: two metrics would go there: export them into two directories")
            taken.add(file)
            yield name, file


def _write(file: Path, form: str, rows: Iterator["ExportedRow"]) -> int:
    """Under another name until it is whole. Returns how many rows there are."""
    from blackhole.cli import files  # noqa: PLC0415

    partial = file.with_name(f".{file.name}.partial")
    try:
        count = files.write(partial, form, rows)
        partial.rename(file)
    except OSError as error:
        raise BlackholeError(
            f"{file}: not written: {error.strerror}: make room, or name another --to"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return count


def _backed_up(place: PlaceOption, directory: Path) -> list[dict[str, Any]]:
    from blackhole.cli.source import find_keeper  # noqa: PLC0415
    from blackhole.config import database_path  # noqa: PLC0415

    config = place.config()
    service = find_keeper(place, config)
    path = database_path(config, place.data_dir)
    if service is None and not path.exists():
        raise UnavailableError(
            f"no service answers and {path} does not exist: nothing to back up, or name another --data-dir"
        )
    made = not directory.exists()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}: name another directory") from None
    try:
        if service is not None:
            files: list[dict[str, Any]] = json.loads(service.backup(str(directory.absolute())))["files"]
            return files
        return _copied(path, directory.absolute())
    except BlackholeError:
        if made:
            directory.rmdir()
        raise


def _copied(path: Path, directory: Path) -> list[dict[str, Any]]:
    import msgspec  # noqa: PLC0415

    from blackhole.store.database import Database  # noqa: PLC0415
    from blackhole.store.upkeep.backup import back_up  # noqa: PLC0415

    database = Database.open(path, read_only=True)
    try:
        answer: dict[str, Any] = msgspec.to_builtins(back_up(database, directory))
    finally:
        database.close()
    files: list[dict[str, Any]] = answer["files"]
    return files
