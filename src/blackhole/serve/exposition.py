"""Turns the state of the service and the newest public values into the Prometheus text format."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from blackhole.serve.services import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MAX_PUBLIC_SERIES = 2000
# The service's own stored metrics stand here already, as they are now.
_OWN = "blackhole."

Sample = tuple[dict[str, str], float]
Family = tuple[str, str, str, list[Sample]]


def render(
    status: Status, statistics: Mapping[str, Any], readers: int, public: Iterable[Mapping[str, Any]]
) -> str:
    """`public`: entries of the `p2p_metrics` and `performance` reports; what is not public is left out."""
    families = (*_service(status, statistics, readers), *_public(public))
    return "".join(line for family in families for line in _family(*family))


def _service(status: Status, statistics: Mapping[str, Any], readers: int) -> Iterator[Family]:
    yield "blackhole_build_info", "gauge", "The version that runs", [({"version": status.version}, 1)]
    for name, text in (
        ("accepted", "Data points, spans and log records that were accepted"),
        ("requests", "Export requests that were answered"),
    ):
        samples = [({"signal": str(signal)}, n) for signal, n in sorted(statistics.get(name, {}).items())]
        yield f"blackhole_{name}_total", "counter", text, samples
    refused: dict[str, int] = defaultdict(int)
    for entry in statistics.get("refused", ()):
        # A count of null belongs to a guarded metric.
        refused[str(entry["reason"])] += entry["count"] or 0
    samples = [({"reason": reason}, count) for reason, count in sorted(refused.items()) if count]
    yield "blackhole_refused_total", "counter", "What was refused, by reason", samples
    failed = sorted(statistics.get("failed_requests", {}).items())
    samples = [({"error_type": kind}, count) for kind, count in failed]
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
        yield f"blackhole_{name}", kind, text, [({}, value)]


def _histogram(durations: Mapping[str, Any]) -> Iterator[Sample]:
    """Samples of one histogram; `""` as a label's key stands for the suffix of the name."""
    below = 0
    for bound, count in zip((*durations["bounds"], math.inf), durations["buckets"], strict=True):
        below += count
        yield {"": "_bucket", "le": _number(bound)}, below
    yield {"": "_sum"}, durations["sum"]
    yield {"": "_count"}, below


def _public(entries: Iterable[Mapping[str, Any]]) -> Iterator[Family]:
    by_metric: dict[str, list[Sample]] = defaultdict(list)
    left = _MAX_PUBLIC_SERIES
    for entry in entries:
        if entry["privacy_level"] != "public" or entry["value"] is None or left == 0:
            continue
        if entry["metric"].startswith(_OWN):
            continue
        left -= 1
        labels = {str(key): str(value) for key, value in entry["attributes"].items()}
        by_metric[entry["metric"]].append((labels, entry["value"]))
    for metric, samples in sorted(by_metric.items()):
        yield _name(metric), "gauge", f"Newest value of the public metric {metric}", samples


def _family(name: str, kind: str, text: str, samples: list[Sample]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {name} {_escape(text)}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        suffix = labels.get("", "")
        pairs = [f'{_name(key)}="{_escape(label, quote=True)}"' for key, label in labels.items() if key]
        inner = f"{{{','.join(pairs)}}}" if pairs else ""
        yield f"{name}{suffix}{inner} {_number(value)}\n"


def _name(text: str) -> str:
    name = re.sub(r"[^a-zA-Z0-9_]", "_", text)
    return f"_{name}" if name[:1].isdigit() else name


def _escape(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
