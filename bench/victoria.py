"""Measures VictoriaMetrics with the same data: bytes a sample of a backfill, and the dashboard's question."""

import http.client
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec

from bench import backfill, sealed
from bench.peers import victoria_metrics
from bench.requests import SERIES
from bench.steady import quantile

_LINES = 50
_DAY_MS = 86_400_000
_TIMES = 40


@dataclass(frozen=True, slots=True)
class Answered:
    """Seconds at the 95th percentile of 40 questions, without VictoriaMetrics' cache of answers."""

    samples: int
    bytes_a_sample: float
    dashboard_p95: float


def backfilled(directory: Path) -> float:
    """Bytes a sample of a day sent as OTLP, once merged and stopped. Raises MissingError."""
    directory.mkdir(parents=True)
    with victoria_metrics(directory) as (url,):
        for body in backfill.day():
            _post(f"{url}/v1/metrics", body, "application/x-protobuf")
        _merge(url)
    return _size(directory / "data") / (SERIES * backfill.POINTS)


def dashboard(directory: Path, samples: int) -> Answered:
    """One metric of 20 series, 24 h, steps of 5 minutes, over so many samples. Raises MissingError."""
    directory.mkdir(parents=True)
    days = max(samples // (SERIES * sealed.A_DAY), 1)
    today = int(time.time()) // 86400 * 86400
    with victoria_metrics(directory) as (url,):
        for lines in _days((today - days * 86400) * 1000, days):
            _post(f"{_root(url)}/api/v1/import", lines, "application/json")
        _merge(url)
        times = [_asked(url, today) for _ in range(_TIMES)]
    made = days * SERIES * sealed.A_DAY
    return Answered(made, _size(directory / "data") / made, quantile(times, 0.95))


def _days(start_ms: int, days: int) -> Iterator[bytes]:
    """The series of `bench.sealed`, a day and series a line."""
    reached, encode = [0] * SERIES, msgspec.json.Encoder().encode
    for day in range(days):
        first = start_ms + day * _DAY_MS
        times = encode(list(range(first, first + _DAY_MS, 60_000)))
        lines = []
        for number in range(SERIES):
            is_counter = number < SERIES // 2
            steps = random.choices(range(100) if is_counter else range(-100, 101), k=sealed.A_DAY)
            walk = list(itertools.accumulate(steps, initial=reached[number]))[1:]
            reached[number] = walk[-1]
            values = encode(walk if is_counter else [value / 100 for value in walk])
            name = f"bench_{number // 20:02}"
            labels = f'{{"__name__":"{name}","service_name":"service-{number % 20}"}}'.encode()
            lines.append(b'{"metric":%s,"values":%s,"timestamps":%s}\n' % (labels, values, times))
            if len(lines) == _LINES:
                yield b"".join(lines)
                lines = []


def _asked(url: str, today: int) -> float:
    question = {
        "query": "avg by (service_name) (avg_over_time(bench_70[5m]))",
        "start": today - 86400,
        "end": today,
        "step": 300,
        "nocache": 1,
    }
    began = time.perf_counter()
    answer = msgspec.json.decode(_get(f"{_root(url)}/api/v1/query_range?{urlencode(question)}"))
    took = time.perf_counter() - began
    if len(answer["data"]["result"]) != 20:
        raise RuntimeError("VictoriaMetrics did not answer with 20 series")
    return took


def _merge(url: str) -> None:
    for action in ("force_flush", "force_merge"):
        _get(f"{_root(url)}/internal/{action}")
    while b"vm_active_force_merges 0" not in _get(f"{_root(url)}/metrics"):
        time.sleep(0.5)


def _root(url: str) -> str:
    return f"http://{urlsplit(url).netloc}"


def _get(url: str) -> bytes:
    return _request("GET", url, None, {})


def _post(url: str, body: bytes, content_type: str) -> None:
    _request("POST", url, body, {"content-type": content_type})


def _request(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= http.client.BAD_REQUEST:
        raise RuntimeError(f"VictoriaMetrics: {answer.status} {text[:200]!r}")
    return text


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
