"""Tries what the service needs, one thing after the other, and says how to mend what fails."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import size
from blackhole.config import Config, database_path, find
from blackhole.errors import BlackholeError

if TYPE_CHECKING:
    from blackhole.cli.source import Source

PORTS = {
    "OTLP over gRPC": ("--otlp-grpc", 4317),
    "OTLP over HTTP": ("--otlp-http", 4318),
    "page": ("--listen", 8080),
}
_PARTS = ("duckdb", "grpc", "msgspec", "psutil", "starlette", "uvicorn", "blackhole._core")
_LOW_DISK = 256 * 2**20
_LATELY = 600.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was tried, whether it works, and in words what was seen or what to do."""

    check: str
    ok: bool
    words: str


@click.command("doctor")
@reading
def command(place: PlaceOption) -> int:
    """Say what is wrong here and how to mend it; exit 1 when something is."""
    findings = list(examine(place))
    if place.as_json:
        import json  # noqa: PLC0415

        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.check + ':':<15} {finding.words}")
    return 0 if all(finding.ok for finding in findings) else 1


def examine(place: PlaceOption) -> Iterator[Diagnosis]:
    """All checks, each also when an earlier one failed."""
    yield _try("installation", _installation)
    config = Config()

    def configuration() -> str:
        nonlocal config
        config = place.config()
        source = place.config_file or find(os.environ)
        return str(source) if source else "defaults, no file"

    yield _try("configuration", configuration)
    yield _try("catalogue", lambda: _catalogue(config, place.data_dir))
    yield _try("data directory", lambda: _directory(place.data_dir))
    running: list[str] = []
    yield _try("service", lambda: _service(place, config, running))
    if running:
        yield _try("senders", lambda: _with_source(place, _senders))
    from blackhole.cli import doctor_files  # noqa: PLC0415

    path = database_path(config, place.data_dir)
    for check, look in doctor_files.checks(path, running=bool(running)):
        yield _try(check, look)
    if running or path.exists():
        yield _try("privacy ledger", lambda: _with_source(place, doctor_files.ledger))
        yield _try("clock", lambda: _with_source(place, doctor_files.clock))
    if not running:
        for name, (flag, port) in PORTS.items():
            yield _try(f"port {port}", partial(_port, flag, port, name))


def _with_source(place: PlaceOption, look: Callable[["Source"], str]) -> str:
    from blackhole.cli.source import opened  # noqa: PLC0415

    with opened(place) as source:
        return look(source)


def _try(check: str, look: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(check, True, look())
    except BlackholeError as error:
        return Diagnosis(check, False, str(error))


def _installation() -> str:
    for part in _PARTS:
        try:
            import_module(part)
        except ImportError as error:
            raise BlackholeError(
                f"{part} cannot be loaded ({error}): install blackhole-analytics anew"
            ) from None
    return f"Python {sys.version.split()[0]}, all parts load"


def _catalogue(config: Config, data_dir: Path) -> str:
    from blackhole.catalogue.load import files, load  # noqa: PLC0415

    return f"{len(load(files(config, data_dir)))} entries"


def _directory(directory: Path) -> str:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise BlackholeError(
            f"{existing}: cannot be written: name another with --data-dir, or mend its permissions"
        )
    free = shutil.disk_usage(existing).free
    if free < _LOW_DISK:
        raise BlackholeError(
            f"{existing}: only {size(free)} are free: make room, or name another with --data-dir"
        )
    return f"{directory}, {size(free)} free"


def _service(place: PlaceOption, config: Config, running: list[str]) -> str:
    from blackhole.cli.source import find_service  # noqa: PLC0415

    service = find_service(place, config)
    if service is None:
        return "none runs (start one with `blackhole serve`)"
    service.status()
    running.append(service.name)
    return f"answers at {service.name}"


def _senders(source: "Source") -> str:
    """Who was turned away in the last minutes."""
    import json  # noqa: PLC0415

    away = json.loads(source.status()).get("turned_away", ())
    lately = [sender for sender in away if sender["seconds_ago"] < _LATELY]
    if lately:
        raise BlackholeError("; ".join(f"{sender['words']}: {sender['remedy']}" for sender in lately))
    return "nobody was turned away lately"


def _port(flag: str, port: int, name: str) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BlackholeError(
                f"127.0.0.1:{port}: {error.strerror}: stop what uses it, or serve with {flag} 127.0.0.1:0"
            ) from None
    return f"free for {name}"
