"""Turns the state of the service and of public metrics into the text format of Prometheus."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from blackhole.promql.names import beside
from blackhole.query.scrape import Scrape
from blackhole.serve.services import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# The suffix of the family's name, labels, value.
Sample = tuple[str, dict[str, str], float]
ExposedFamily = tuple[str, str, str, list[Sample]]
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


def render(status: Status, statistics: Mapping[str, Any], readers: int, page: Scrape) -> str:
    """`page`: public metrics under the names that they have in PromQL."""
    own = list(_service(status, statistics, readers))
    taken = {name for family in own for name in _names(family)}
    lines = [line for family in (*own, *_public(page, taken)) for line in _family(*family)]
    if page.left_out:
        lines.append(f"# {page.left_out} more public series are left out\n")
    return "".join(lines).encode("utf-8", "replace").decode("utf-8")


def _public(page: Scrape, taken: set[str]) -> Iterator[ExposedFamily]:
    """No name stands twice, also where a metric has one of the service's own."""
    for found in page.families:
        family = (found.name, found.kind, found.help, found.samples)
        while not taken.isdisjoint(_names(family)):
            family = (beside(family[0], found.kind), *family[1:])
        taken.update(_names(family))
        yield family


def _names(family: ExposedFamily) -> set[str]:
    return {family[0], *(f"{family[0]}{suffix}" for suffix in _SUFFIXES.get(family[1], ()))}


def _service(status: Status, statistics: Mapping[str, Any], readers: int) -> Iterator[ExposedFamily]:
    yield "blackhole_build_info", "gauge", "The version that runs", [("", {"version": status.version}, 1)]
    for name, text in (
        ("accepted", "Data points, spans and log records that were accepted"),
        ("requests", "Export requests that were answered"),
    ):
        samples = [("", {"signal": str(signal)}, n) for signal, n in sorted(statistics.get(name, {}).items())]
        yield f"blackhole_{name}_total", "counter", text, samples
    refused: dict[str, int] = defaultdict(int)
    for entry in statistics.get("refused", ()):
        # A count of null belongs to a guarded metric.
        refused[str(entry["reason"])] += entry["count"] or 0
    samples = [("", {"reason": reason}, count) for reason, count in sorted(refused.items()) if count]
    yield "blackhole_refused_total", "counter", "What was refused, by reason", samples
    failed = sorted(statistics.get("failed_requests", {}).items())
    samples = [("", {"error_type": kind}, count) for kind, count in failed]
    yield "blackhole_errors_total", "counter", "Export requests that were answered with an error", samples
    for name, text in (
        ("request", "From the arrival of an export request to its answer"),
        ("commit", "Group commits to the database"),
    ):
        if durations := statistics.get(f"{name}_durations"):
            yield f"blackhole_{name}_duration_seconds", "histogram", text, list(_histogram(durations))
    for name, kind, text, value in (
        ("commits_total", "counter", "Group commits to the database", statistics.get("commits", 0)),
        ("pending_rows", "gauge", "Rows that wait for their commit", status.pending_rows),
        ("memory_bytes", "gauge", "Resident memory of the process", status.memory_bytes),
        ("cpu_percent", "gauge", "Use of one core", status.cpu_percent),
        ("database_bytes", "gauge", "Size of the database on disk", status.database_bytes),
        ("uptime_seconds", "gauge", "Time since the start", status.uptime_seconds),
        ("sampling_rate", "gauge", "Share of the data that is kept", status.sampling_rate),
        ("stream_readers", "gauge", "Open readers of the live stream", readers),
    ):
        yield f"blackhole_{name}", kind, text, [("", {}, value)]


def _histogram(durations: Mapping[str, Any]) -> Iterator[Sample]:
    below = 0
    for bound, count in zip((*durations["bounds"], math.inf), durations["buckets"], strict=True):
        below += count
        yield "_bucket", {"le": _number(bound)}, below
    yield "_sum", {}, durations["sum"]
    yield "_count", {}, below


def _family(name: str, kind: str, text: str, samples: list[Sample]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {name} {_escape(text)}\n# TYPE {name} {kind}\n"
    for suffix, labels, value in samples:
        pairs = [f'{key}="{_escape(label, quote=True)}"' for key, label in labels.items()]
        inner = f"{{{','.join(pairs)}}}" if pairs else ""
        yield f"{name}{suffix}{inner} {_number(value)}\n"


def _escape(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
