"""Runs the benchmarks and prints one table: what was measured, beside its bar. `make bench`."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import (
    backfill,
    beside,
    governor,
    guarded,
    ingest,
    open_loop,
    page,
    process_costs,
    questions,
    readers,
    rotel,
    sealed,
    spans,
    victoria,
)
from bench.open_loop import Steady
from bench.rotel import MissingError

RESULT = Path(".build/bench.json")
PARTS = (
    "core",
    "startup",
    "ingest",
    "guarded",
    "spans",
    "latency",
    "memory",
    "readers",
    "governor",
    "page",
    "backfill",
    "beside",
    "sealed",
    "questions",
    "idle",
)


@dataclass(frozen=True, slots=True)
class Line:
    """`bar`: what is to be stayed under, in the same unit; None where there is none."""

    what: str
    measured: float
    unit: str
    bar: float | None = None
    detail: Any = None


def main() -> int:
    options = _options()
    lines: list[Line] = []
    failed = 0
    with tempfile.TemporaryDirectory(prefix="blackhole-bench-") as scratch:
        for part in options.only or PARTS:
            try:
                for line in _measure(part, Path(scratch), options):
                    lines.append(line)
                    print(_row(line), flush=True)
            except RuntimeError as error:
                failed = 1
                print(f"{part}: not measured: {error}", file=sys.stderr, flush=True)
    _save(lines, quick=options.quick)
    return failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and seconds instead of minutes")
    parser.add_argument("--samples", type=float, default=1e8, help="of the part `sealed`; quick: a tenth")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    return parser.parse_args()


def _measure(part: str, scratch: Path, options: argparse.Namespace) -> Iterator[Line]:
    place, quick = scratch / part, bool(options.quick)
    if part == "core":
        yield from _core()
    elif part in {"backfill", "sealed", "questions"}:
        yield from _stored(part, place, int(options.samples / (10 if quick else 1)), quick=quick)
    elif part == "startup":
        result = process_costs.startup(place, 3 if quick else 10)
        yield Line("start to ready line, median", result.median * 1e3, "ms", 600, result.runs)
        yield Line("CPU time until the ready line, median", result.cpu * 1e3, "ms")
    elif part == "idle":
        yield from _idle(process_costs.idle(place, 10 if quick else 60))
    elif part == "guarded":
        yield from _guarded(place, 3 if quick else 5)
    elif part == "spans":
        yield from _spans(place, 3 if quick else 5)
    elif part == "latency":
        yield from _latency(open_loop.latency(place, 15 if quick else 60))
    elif part == "memory":
        yield from _memory(open_loop.memory(place, 20 if quick else 300))
    elif part == "ingest":
        yield from _ingest(place, 3 if quick else 5)
    else:
        yield from _measure_beside(part, place, quick=quick)


def _measure_beside(part: str, place: Path, *, quick: bool) -> Iterator[Line]:
    """What others do to the service, or it to others."""
    if part == "readers":
        yield from _readers(readers.measure(place, 15 if quick else 60))
    elif part == "governor":
        yield from _governor(governor.measure(place, 15 if quick else 60))
    elif part == "beside":
        yield from _beside(beside.measure(place, 15 if quick else 30))
    else:
        yield from _page(page.measure(place, quick=quick))


def _stored(part: str, place: Path, samples: int, *, quick: bool) -> Iterator[Line]:
    """What is kept for long: its size, and how soon it answers."""
    if part == "questions":
        return _questions(questions.measure(place, 3 if quick else 5))
    return _backfill(place) if part == "backfill" else _sealed(place, samples)


def _backfill(place: Path) -> Iterator[Line]:
    ours = backfill.measure(place / "ours")
    what = "2,000 series of 1,440 points, sent and restarted"
    yield Line(f"{what}: all bytes of the file", ours.bytes_a_sample, "bytes/sample", 1.2)
    yield Line(f"{what}: not sealed after 20 s", (1 - ours.sealed) * 100, "%", 0)
    with _compared("VictoriaMetrics"):
        yield Line("the same, VictoriaMetrics", victoria.backfilled(place / "peer"), "bytes/sample")


def _beside(result: beside.Result) -> Iterator[Line]:
    what = f"{beside.RATE:,} points/s: accept to committed, p99"
    yield Line(f"{what}, quiet", result.quiet.p99 * 1e3, "ms")
    yield Line(f"{what}, sealing and dashboards", result.busy.p99 * 1e3, "ms", None, asdict(result))
    yield Line("the second to the first", result.ratio, "times", 2)
    yield Line("rows sealed meanwhile", result.sealed, "rows")


@contextmanager
def _compared(peer: str) -> Iterator[None]:
    try:
        yield
    except MissingError as missing:
        print(f"{peer} is not compared: {missing}")


def _sealed(place: Path, samples: int) -> Iterator[Line]:
    large = sealed.measure(place / "large", samples)
    of = f"{large.samples / 1e6:.0f} M samples"
    yield Line(f"{of}: size", large.bytes_a_sample, "bytes/sample")
    yield Line(f"{of}: 20 series over 24 h by 5 min, p95", large.dashboard_p95 * 1e3, "ms", 60)
    yield Line(f"{of}: 2,000 series over 30 days by hours, in 20 groups", large.month * 1e3, "ms", 200)
    yield Line(f"{of}: the same, from and until within an hour", large.broken_month * 1e3, "ms", 200)
    yield Line(f"{of}: from opening the cold file to the first answer", large.cold * 1e3, "ms", 1000)
    yield Line("sealing a million samples", large.sealing_a_million, "s")
    yield Line(f"{of}: compaction, beside commits", large.compacting, "s")
    with _compared("VictoriaMetrics"):
        peer = victoria.dashboard(place / "peer", samples)
        yield Line(f"{of}: VictoriaMetrics: size", peer.bytes_a_sample, "bytes/sample")
        yield Line(
            f"{of}: VictoriaMetrics: 20 series over 24 h by 5 min, p95", peer.dashboard_p95 * 1e3, "ms"
        )


def _questions(result: questions.Questions) -> Iterator[Line]:
    """Beside a rate stands a sum in SQL over the same points, as a rate was once."""
    of = f"{questions.SERIES:,} series, {questions.SAMPLES / 1e6:.0f} M samples, sealed"
    what = f"{of}: {questions.PROMQL} over {questions.HOURS} h"
    yield Line(what, result.promql.wall * 1e3, "ms", 1000)
    yield Line("the same: CPU", result.promql.cpu * 1e3, "ms")
    yield Line("the same: memory beside what there was", result.memory / 1e6, "MB")
    yield Line(f"{of}: rate of 20 series over 24 h by 5 min: CPU", result.rate.cpu * 1e3, "ms")
    yield Line("the same: CPU beside that of a sum in SQL", result.rate.cpu / result.summed.cpu, "of it")
    yield Line("the same: mean of 20 levels: CPU", result.level.cpu * 1e3, "ms")


def _core() -> Iterator[Line]:
    from bench import core  # noqa: PLC0415  (needs the built core)
    from blackhole import _core  # noqa: PLC0415

    decoder = _core.Decoder(bytes(16))
    resolver, known = core.OpenResolver(), core.table()
    bodies = [core.metrics_request(number) for number in range(30)]
    batches = [decoder.metrics(body, "protobuf") for body in bodies]
    core.apply(known, batches[0], resolver)
    decode = core.best(lambda n: decoder.metrics(bodies[n], "protobuf"), 30)
    apply = core.best(lambda n: core.apply(known, batches[n + 1], resolver), 29)
    yield Line("core alone: decode and intern, fastest run", decode / 1e3, "µs/point")
    yield Line("core alone: apply known series, fastest run", apply / 1e3, "µs/point")


def _idle(result: process_costs.Idle) -> Iterator[Line]:
    when = f"idle for {result.seconds:.0f} s"
    yield Line(f"{when}: resident memory", result.resident / 1e6, "MB", 120)
    yield Line(f"{when}: proportional memory", result.proportional / 1e6, "MB")
    yield Line(f"{when}: CPU", result.cpu_percent, "% of a core")


def _ingest(scratch: Path, rounds: int) -> Iterator[Line]:
    costs = {}
    for cost in ingest.blackhole_costs(scratch, rounds):
        costs[cost.case.name] = cost.median
        what = f"{cost.case.name}: CPU to committed rows"
        yield Line(what, cost.median, "µs/point", cost.case.bar, asdict(cost))
    with _compared("rotel"):
        for cost in ingest.rotel_costs(rotel.program(), scratch, rounds):
            name = cost.case.name
            yield Line(f"{name}: rotel, receiving only", cost.median, "µs/point", None, asdict(cost))
            yield Line(f"{name}: ratio to rotel", costs[name] / cost.median, "times")


def _guarded(scratch: Path, rounds: int) -> Iterator[Line]:
    for share in guarded.costs(scratch, rounds):
        yield Line(f"{share.level}: CPU a point", share.cost, "µs/point")
        if share.level != "public":
            yield Line(f"{share.level}: ratio to the open path", share.ratio, "times", 1.5)
    for level, taken in guarded.memory().items():
        yield Line(f"{level}: {guarded.UNITS:,} units in a window", taken / 1e6, "MB", 64)


def _spans(scratch: Path, rounds: int) -> Iterator[Line]:
    costs = {}
    for cost in spans.blackhole_costs(scratch, rounds):
        costs[cost.case.name] = cost.median
        what = f"{cost.case.name}: CPU, distilled and committed"
        yield Line(what, cost.median, "µs/span", cost.case.bar, asdict(cost))
    with _compared("rotel"):
        for cost in spans.rotel_costs(rotel.program(), scratch, rounds):
            name = cost.case.name
            yield Line(f"{name}: rotel, receiving only", cost.median, "µs/span", None, asdict(cost))
            yield Line(f"{name}: ratio to rotel", costs[name] / cost.median, "times")


def _latency(result: Steady) -> Iterator[Line]:
    rate = f"{result.points_a_second:,.0f} points/s"
    yield Line(f"{rate}: accept to committed, median", result.median * 1e3, "ms")
    yield Line(f"{rate}: accept to committed, p99", result.p99 * 1e3, "ms", 100, asdict(result))


def _memory(result: Steady) -> Iterator[Line]:
    what = f"{result.points_a_second:,.0f} points/s for {result.seconds:.0f} s, large requests"
    yield Line(f"{what}: peak resident", result.resident / 1e6, "MB", 256, asdict(result))
    yield Line(f"{what}: peak proportional", result.proportional / 1e6, "MB")
    yield Line(f"{what}: accept to committed, p99", result.p99 * 1e3, "ms")


def _readers(result: readers.Result) -> Iterator[Line]:
    what = f"{readers.READERS} heavy readers at {readers.RATE:,} points/s"
    yield Line(f"{what}: failed commits", result.failed_commits, "", 0, asdict(result))
    yield Line(f"{what}: accept to committed, p99", result.steady.p99 * 1e3, "ms")
    yield Line(f"{what}: peak resident", result.steady.resident / 2**20, "MiB", 256)


def _governor(held: governor.Held) -> Iterator[Line]:
    what = f"{governor.SENDERS} senders, {governor.TIMES_TOO_MUCH} times the limit of {governor.LIMIT:g} %"
    yield Line(f"{what}: CPU", held.cpu_percent, "% of a core", None, asdict(held))
    yield Line(f"{what}: off the limit", abs(held.cpu_percent - governor.LIMIT), "points", 1)
    yield Line(f"{what}: totals off", abs(held.off_percent), "%", 1)


def _page(measured: page.Page) -> Iterator[Line]:
    yield Line("page: until it can be used, median", measured.interactive, "ms", 1000, asdict(measured))
    yield Line("page: request sent to value on the screen, p95", measured.latency_p95, "ms", 500)
    what = "page: 24 charts of 4 series, 10 messages a second"
    yield Line(f"{what}: main thread", measured.main_thread, "%", 20)
    yield Line(f"{what}: questions for their newest ends", measured.questions, "/s", 7)
    hours = f"page: heap grown in {measured.minutes:g} minutes of messages"
    yield Line(hours, measured.grown / 1e6, "MB", 10 * measured.minutes / 60)


def _row(line: Line) -> str:
    verdict = ""
    if line.bar is not None:
        verdict = f"bar {line.bar:g}: {'met' if line.measured <= line.bar else 'MISSED'}"
        verdict += f" ({line.measured / line.bar:.2f} of it)" if line.bar else ""
    return f"{line.what:<66} {line.measured:>9.3f} {line.unit:<12} {verdict}".rstrip()


def _save(lines: list[Line], *, quick: bool) -> None:
    machine = {"python": platform.python_version(), "machine": platform.machine(), "quick": quick}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps({"on": machine, "results": [asdict(line) for line in lines]}, indent=2) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
