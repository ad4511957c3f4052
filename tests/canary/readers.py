"""Reads everything that the service shows: the API, the stream, its command."""

import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.canary import search
from tests.canary.identities import Canaries
from tests.e2e.service import BLACKHOLE, Service
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from blackhole.query.sandbox import TABLES

_ALL = "%7B__name__%3D~%22.%2B%22%7D"  # {__name__=~".+"}
_BESIDE = (
    *("/openapi.json", "/nothing", "/assets/nothing.js"),
    *(f"/api/v1/query?query={query}" for query in (_ALL, f"count%28{_ALL}%29by%28kept%29", "app_count")),
    f"/api/v1/series?match%5B%5D={_ALL}",
    *(f"/api/v1/label/{label}/values" for label in ("__name__", "kept", "service_name", "op_name")),
)
_AGGREGATIONS = ("avg", "sum", "count", "last", "p95")

Answer = tuple[str, str]


def ask(service: Service, path: str, question: Any = None) -> str:
    """The answer with its status and headers."""
    place = service.ready["api"].removeprefix("http://")
    with closing(http.client.HTTPConnection(place, timeout=30)) as connection:
        if question is None:
            connection.request("GET", path)
        else:
            headers = {"content-type": "application/json"}
            connection.request("POST", path, json.dumps(question), headers)
        answer = connection.getresponse()
        return f"{answer.status}\n{answer.headers}\n{answer.read().decode()}"


def sql(service: Service, statement: str) -> list[list[Any]]:
    answer = ask(service, "/api/analytics/sql", {"sql": statement, "max_rows": 100_000})
    rows: list[list[Any]] = json.loads(answer[answer.index("{") :])["rows"]
    return rows


def everything(service: Service) -> Iterator[Answer]:
    """Every endpoint, every table, and every stored metric in every way that it can be asked for."""
    description = ask(service, "/openapi.json")
    paths = json.loads(description[description.index("{") :])["paths"]
    for path in (*(path for path, methods in paths.items() if "get" in methods), *_BESIDE):
        yield f"GET {path}", ask(service, path.replace("{metric}", "app.secret.count"))
    for table in sorted(TABLES):
        question = {"sql": f"SELECT * FROM {table}", "max_rows": 100_000}
        yield f"SQL {table}", ask(service, "/api/analytics/sql", question)
    for (metric,) in sql(service, "SELECT DISTINCT metric FROM series"):
        for aggregation in _AGGREGATIONS:
            keys = ["service.name", "kept", "op.name", "rpc.method", "event.name", "client", "server"]
            question = {"metric": metric, "aggregation": aggregation, "interval": "1m", "group_by": keys}
            yield f"query of {metric}", ask(service, "/api/analytics/query", question)


def nosy(service: Service, canaries: Canaries) -> None:
    """Questions that hold an identity: whoever asks may read it again, and nobody else, in no log."""
    name = canaries.name("a question")
    for path in (f"/{name}", f"/assets/{name}%00", f"/assets/{name}/../x", f"/metrics?of={name}"):
        ask(service, path)
    for statement in (
        f"SELECT '{name}' FROM",
        f'SELECT "{name}" FROM metrics',
        f"SELECT CAST('{name}' AS INT)",
    ):
        ask(service, "/api/analytics/sql", {"sql": statement})
        ask(service, f"/api/v1/query?query={quote(statement)}")
    for question in (
        {"metric": name},
        {"metric": "app.count", "filters": {name: name}},
        {name: 1},
        [name],
        name,
    ):
        ask(service, "/api/analytics/query", question)
    ask(service, "/login", {"token": name})
    ask(service, "/api/analytics/forget", {"metrics": [name], "where": {"kept": name}})
    ask(service, "/api/analytics/backup", {"directory": f"/nowhere/{name}"})
    ask(service, "/api/analytics/catalogue/allow", {"names": [name], "privacy": name})
    ask(service, f"/api/analytics/privacy/explain/{name}")
    ask(service, f"/api/analytics/privacy/ledger?before={name}")
    with pytest.raises(InvalidStatus):
        connect(service.ready["api"].replace("http", "ws") + f"/analytics/stream?since={name}")


def written(service: Service, directory: Path) -> Iterator[tuple[str, str | bytes]]:
    """What the owner may carry away: exports in every format, and a backup with all of its columns."""
    for form in ("csv", "json", "parquet"):
        place = directory / form
        what = [word for name in ("app.*", "traces.*", "log.*") for word in ("--metric", name)]
        where = ["--data-dir", str(service.data_dir), "--format", form, "--to", str(place)]
        run = [str(BLACKHOLE), "export", *what, *where]
        done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)
        yield f"export as {form}", done.stdout + done.stderr
        yield from search.files(place)
    backup = directory / "backup"
    backup.mkdir(mode=0o700)
    assert ask(service, "/api/analytics/backup", {"directory": str(backup)}).startswith("200")
    yield from search.files(backup)
    [database] = backup.glob("*.duckdb")
    yield from search.tables(database, directory / "copy")


def stream(service: Service, seconds: float) -> str:
    """What a reader of the live stream is sent in that time."""
    messages = []
    with connect(service.ready["api"].replace("http", "ws") + "/analytics/stream") as reading:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                messages.append(str(reading.recv(timeout=left)))
            except TimeoutError:
                break
    return "\n".join(messages)


def commands(data_dir: Path, *, running: bool) -> Iterator[Answer]:
    """What a person at the machine is shown, on both outputs."""
    asked = [
        ["status"],
        ["sql", "SELECT * FROM metrics"],
        ["query", "app.count", "--last", "1h"],
        ["doctor"],
        ["catalogue", "unused"],
        ["privacy", "budget"],
        ["privacy", "ledger"],
        ["privacy", "explain", "app.secret.count"],
        ["privacy", "verify"],
        *([["insights"], ["alerts"]] if running else []),
    ]
    for words in asked:
        run = [str(BLACKHOLE), *words, "--data-dir", str(data_dir)]
        done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
        yield f"blackhole {' '.join(words)}", done.stdout + done.stderr
