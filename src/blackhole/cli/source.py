"""Finds who answers a reading command: the running service, else the database file opened read-only."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from blackhole.cli.client import DEFAULT_URL, ServiceClient, is_alive
from blackhole.cli.options import PlaceOption
from blackhole.config import Config, database_path, read_token
from blackhole.errors import UnavailableError

RUN_FILE = "blackhole.run"


class Source(Protocol):
    """Answers in the JSON of the HTTP API, whoever answers."""

    @property
    def name(self) -> str: ...
    def query(self, question: Mapping[str, Any]) -> bytes: ...
    def sql(self, text: str, max_rows: int) -> bytes: ...
    def status(self) -> bytes: ...
    def privacy_budget(self) -> bytes: ...
    def privacy_ledger(self, before: int | None, limit: int) -> bytes: ...
    def metrics(self) -> bytes: ...


@contextmanager
def opened(place: PlaceOption) -> Iterator[Source]:
    """The source that `place` leads to. Raises UnavailableError when there is neither service nor file."""
    config = place.config()
    service = find_service(place, config)
    if service is not None:
        yield service
        return
    file = database_path(config, place.data_dir)
    if not file.exists():
        raise UnavailableError(
            f"no service answers and {file} does not exist: start `blackhole serve`, "
            "or name one with --url or --data-dir"
        )
    from blackhole.cli.offline import File  # noqa: PLC0415  (loads the database engine)

    with closing(File(file, config, place.data_dir)) as source:
        yield source


def find_service(place: PlaceOption, config: Config) -> ServiceClient | None:
    """The running service, or None. Raises UnavailableError when one was named and does not answer."""
    token, trust = _token(config), config.api.tls_cert
    if place.url:
        if not is_alive(place.url, trust):
            raise UnavailableError(f"{place.url}: no Blackhole answers there: mend --url or $BLACKHOLE_URL")
        return ServiceClient(place.url, token, trust)
    for url in (run_file_url(place.data_dir), _default_url(place)):
        if url and is_alive(url, trust):
            return ServiceClient(url, token, trust)
    return None


def find_keeper(place: PlaceOption, config: Config) -> ServiceClient | None:
    """The service that holds the database of `place`, or None when nobody does.

    What is written belongs to one directory: a service of another one must not get it.
    """
    named = place.directory is not None and not place.url
    return None if named and run_file_url(place.data_dir) is None else find_service(place, config)


def run_file_url(directory: Path) -> str | None:
    """Where the service of this data directory said it listens, or None."""
    return _run_file(directory).get("api")


def endpoints(place: PlaceOption, config: Config) -> Mapping[str, str]:
    """Where the service of this place listens for OTLP; nothing where none runs.

    Raises UnavailableError when a service was named and does not answer.
    """
    if place.url:
        service = find_service(place, config)
        told: Mapping[str, str] = {} if service is None else json.loads(service.status())["endpoints"]
        return told
    ready = _run_file(place.data_dir)
    return ready if "api" in ready and is_alive(ready["api"], config.api.tls_cert) else {}


def _run_file(directory: Path) -> dict[str, str]:
    try:
        ready = json.loads((directory / RUN_FILE).read_text(encoding="utf-8"))
        return {key: value for key, value in ready.items() if isinstance(value, str)}
    except (OSError, ValueError, AttributeError):
        return {}


def _default_url(place: PlaceOption) -> str | None:
    """The default port, unless a directory was named: another's service would answer about other data."""
    return DEFAULT_URL if place.directory is None else None


def _token(config: Config) -> str:
    if token := os.environ.get("BLACKHOLE_TOKEN"):
        return token
    return read_token(config.api.token_file, key="api") if config.api.token_file else ""
