"""Identities go in at every place of OTLP, and come out nowhere: no answer, log, file or row has one."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.canary import places, readers, search, wires
from tests.canary.identities import KINDS, Canaries
from tests.e2e.service import Service, counter, request

# Its fixtures take long: one worker makes them, for all of its tests.
pytestmark = [pytest.mark.xdist_group("canary"), pytest.mark.timeout(400)]

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
LEAK = """
metrics:
  - name: app.leak
    description: An event of the test
    type: counter
    unit: "{use}"
    privacy: public
    purpose: Whether identities stay where they are
    keep: [who]
"""
CONFIG = """
analytics:
  catalogue: ['{catalogue}']
  keep_spans: 1h
  keep_logs: 1h
  collection_interval: 1s
  sensitive_window: 1s
  release_window: 1s
  k_anonymity: 1
  max_series_per_metric: 300
  otlp: {{max_request_size: 2MiB}}
"""
# Every place where something may show, and how much of it has to be read for the search to mean anything.
SURFACES = {
    "what senders are told": 50,
    "what the API says": 150,
    "what the stream sends": 1,
    "what the command prints": 8,
    "what is exported": 80,
    "files while it runs": 10,
    "files after SIGTERM": 3,
    "files after SIGKILL": 3,
    "columns after SIGTERM": 50,
    "columns after SIGKILL": 50,
    "log as text": 1,
    "log as JSON": 1,
}

Read = dict[str, list[tuple[str, bytes | str]]]


def configured(directory: Path, catalogue: str, *more: str) -> Service:
    directory.mkdir()
    (directory / "catalogue.yaml").write_text(catalogue)
    (directory / "config.yaml").write_text(CONFIG.format(catalogue=directory / "catalogue.yaml"))
    return Service(directory / "data", ("--config", str(directory / "config.yaml"), *more))


def load(service: Service, canaries: Canaries, stop: threading.Event) -> None:
    while not stop.is_set():
        list(wires.valid(service, canaries))


def under_load(service: Service, canaries: Canaries) -> Iterator[tuple[str, bytes]]:
    """The files, again and again while they are written."""
    stop = threading.Event()
    sender = threading.Thread(target=load, args=(service, canaries, stop))
    sender.start()
    try:
        for _ in range(4):
            time.sleep(0.4)
            yield from search.files(service.data_dir)
    finally:
        stop.set()
        sender.join()


def first_run(directory: Path, canaries: Canaries, read: Read) -> None:
    """Everything is sent and everything is read; the service is stopped in order."""
    with configured(directory, CATALOGUE.read_text()) as service:
        read["what senders are told"] += wires.valid(service, canaries)
        read["what senders are told"] += wires.invalid(service, canaries)
        read["files while it runs"] += under_load(service, canaries)
        read["what the stream sends"].append(("stream", readers.stream(service, 2.5)))
        read["what the API says"] += readers.everything(service)
        read["what the command prints"] += readers.commands(service.data_dir, running=True)
        read["what is exported"] += readers.written(service, directory)
        readers.nosy(service, canaries)
        service.stop()
    read["files after SIGTERM"] += search.files(service.data_dir)
    read["columns after SIGTERM"] += search.tables(service.data_dir / "analytics.duckdb", directory / "copy")
    read["what the command prints"] += readers.commands(service.data_dir, running=False)
    read["log as text"].append(("stderr", (directory / "stderr").read_bytes()))


def second_run(directory: Path, canaries: Canaries, read: Read) -> None:
    """The service is killed while it takes data."""
    with configured(directory, CATALOGUE.read_text(), "--log-format", "json") as service:
        read["what senders are told"] += wires.invalid(service, canaries)
        for name, content in under_load(service, canaries):
            read["files while it runs"].append((name, content))
        service.kill()
    read["files after SIGKILL"] += search.files(service.data_dir)
    read["columns after SIGKILL"] += search.tables(service.data_dir / "analytics.duckdb", directory / "copy")
    read["log as JSON"].append(("stderr", (directory / "stderr").read_bytes()))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Read, Canaries]:
    directory = tmp_path_factory.mktemp("canary")
    read: Read = defaultdict(list)
    canaries = Canaries()
    first_run(directory / "first", canaries, read)
    second_run(directory / "second", canaries, read)
    return read, canaries


@pytest.mark.parametrize("surface", SURFACES)
def test_no_identity_is_found(everything: tuple[Read, Canaries], surface: str) -> None:
    read, canaries = everything
    assert len(read[surface]) >= SURFACES[surface]
    assert search.hits(read[surface], canaries.places) == []


def test_what_was_sent_was_taken(everything: tuple[Read, Canaries]) -> None:
    """A service that refuses everything keeps every secret."""
    answers = everything[0]["what senders are told"]
    assert not [answer for answer in answers[:12] if b"200 OK" not in answer[1] and "failure" in answer[0]]
    columns = dict(everything[0]["columns after SIGTERM"])
    stored = set(str(columns["series.metric"]).split())
    spans = {"traces.span.metrics.calls", "traces.service.graph.request.total", "log.record.count"}
    assert {*places.OPEN, *places.GUARDED, "app.secret.events", *spans} <= stored
    for table in ("kept_spans.trace", "kept_logs.body", "releases.metric", "released_lists.noisy"):
        assert columns[table] not in {"None", ""}
    assert "redacted" in columns["series.attributes"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_identity_would_be_found(kind: str) -> None:
    canaries = Canaries()
    text = canaries.of(kind, "here")
    for written in (text.encode(), text.upper().encode(), b"\0" + text.encode() + b"\xff"):
        [*hits] = search.hits([("there", written)], canaries.places)
        assert hits
        assert f"there: {kind} in here" in hits[0]


def test_a_planted_leak_is_found_wherever_it_shows(tmp_path: Path) -> None:
    canaries = Canaries()
    names = [canaries.name("a key that is kept") for _ in range(50)]
    body = ExportMetricsServiceRequest.FromString(request())
    for name in names:
        metric = counter("app.leak", 1, start=time.time_ns() - 10**9, delta=True, who=name)
        body.resource_metrics[0].scope_metrics[0].metrics.append(metric)
    with configured(tmp_path / "leak", LEAK) as service:
        assert service.post(body.SerializeToString())[0] == 200
        running = list(search.files(service.data_dir))
        answers = list(readers.everything(service))
        printed = list(readers.commands(service.data_dir, running=True))
        streamed = readers.stream(service, 1)
        service.kill()
    columns = list(search.tables(service.data_dir / "analytics.duckdb", tmp_path / "copy"))
    for read in (running, answers, printed, columns):
        assert search.hits(read, canaries.places)
    assert "app.leak" not in streamed or search.found(streamed, canaries.places)
    assert {hit.partition(":")[0] for hit in search.hits(columns, canaries.places)} >= {"series.attributes"}
