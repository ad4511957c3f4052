"""Answers about what grew or held are those of the plain model, whether their points are recent or sealed."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from pathlib import Path

import pytest
from tests.query.query_fakes import WINDOWS, FakeCatalogue, definition
from tests.query.rates import drawing, feeding, model
from tests.query.rates.test_model import differ
from tests.store.store_fakes import Interval, Point, batch, series, stream

from blackhole.model.batch import GuardedBatch
from blackhole.model.series import MetricType, PrivacyLevel
from blackhole.query.language import Query
from blackhole.query.run import QueryService
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer
from blackhole.store.writer import insert

CASES: list[model.Case] = json.loads((Path(__file__).parent / "rates" / "cases.json").read_text())
DRAWN = 40
DELTA = 1
KINDS = {"rate": MetricType.COUNTER}


def rows_of(case: model.Case) -> Iterator[tuple[int, GuardedBatch]]:
    """What the core would have stored, and when it arrived (microseconds)."""
    kind = KINDS.get(case["aggregation"], MetricType.UPDOWNCOUNTER)
    declared = [series(1, "a.b", kind, unit="1", level=PrivacyLevel.INTERNAL)]
    for place, stored in enumerate(feeding.stored(case)):
        number = place + 1
        streams = [
            stream(
                number,
                1,
                raw=feeding.number(stored.raw),
                kin=feeding.number(stored.kin),
                start_ns=None if stored.start is None else feeding.ns(stored.start),
                delta=stored.kind == DELTA,
            )
        ]
        arrival: dict[int, list[feeding.Row]] = defaultdict(list)
        for row in stored.rows:
            # Of a delta each row has its own, since some senders may have fallen silent before others.
            newest = row if stored.kind == DELTA else stored.rows[-1]
            arrival[feeding.ns(newest.time + stored.late) // 1000].append(row)
        running = accumulate(row.value for row in stored.rows)
        sums = None if stored.kind == DELTA or kind is not MetricType.COUNTER else running
        for arrived, rows in arrival.items():
            points = [
                Point(1, feeding.ns(row.time), row.value, number, None if sums is None else next(sums))
                for row in rows
            ]
            intervals = [
                Interval(
                    1, number, feeding.ns(row.time), feeding.ns(row.since), row.value, estimated=row.estimated
                )
                for row in rows
                if row.since is not None
            ]
            yield arrived, batch(points, series=declared, streams=streams, intervals=intervals)
            declared, streams = [], []


def ask(case: model.Case, directory: Path, *, sealed: bool) -> list[model.Bucket]:
    now_ns = feeding.ns(case["now"])
    database = Database.open(directory / "a.duckdb", clock=lambda: now_ns)
    try:
        for arrived, given in rows_of(case):
            with database.write() as connection:
                insert(connection, given.rows, given.series, given.streams, created_us=arrived)
        if sealed:
            Sealer(database, busy=lambda: False).apply()
        entry = definition("a.b", "counter" if case["aggregation"] == "rate" else "updowncounter")
        runner = QueryService(database, FakeCatalogue([entry]), windows=WINDOWS, now=lambda: case["now"])
        question = Query(
            "a.b",
            start_time=case["start"],
            end_time=case["end"],
            aggregation=case["aggregation"],
            interval=case["interval"],
        )
        (line,) = runner.query(question).series
    finally:
        database.close()
    return [
        (datetime.fromisoformat(point.timestamp).timestamp(), point.value or 0.0, flags(point))
        for point in line.points
    ]


def flags(point: object) -> list[str]:
    return [name for name in ("partial", "estimated") if getattr(point, name) is True]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_worked_case_is_answered_as_worked(case: model.Case, sealed: bool, tmp_path: Path) -> None:
    found = ask(case, tmp_path, sealed=sealed)
    expected = [(at, value, list(marks)) for at, value, marks in case["answer"]]
    assert differ(found, expected) == ""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("sealed", [False, True])
def test_random_streams_are_answered_as_the_plain_model_does(sealed: bool) -> None:
    for seed in range(DRAWN):
        case = drawing.case(seed)
        if any(one.rows != sorted(one.rows, key=lambda row: row.time) for one in feeding.stored(case)):
            continue  # stored rows do not tell which of them came late
        expected, _ = model.answer(case)
        with tempfile.TemporaryDirectory() as directory:
            found = ask(case, Path(directory), sealed=sealed)
        assert differ(found, expected) == "", f"seed {seed}"


@pytest.mark.parametrize("begins", [-10, -1, 0, 1, 10])
@pytest.mark.parametrize("ends", [120, 4 * 7200])
def test_a_range_that_begins_where_a_chunk_ends_is_answered_from_chunks_as_from_rows(
    begins: int, ends: int, tmp_path: Path
) -> None:
    """Of a process that was heard last just before the range the rate is held, as long as it may be alive."""
    edge = 7200 * 80_000
    last = min(edge + 36_000, edge + ends)
    long = _counting("long", range(edge - 36_000, last, 10), 3.0)
    streams = [long, _counting("short", range(edge - 3602, edge, 60), 11.0)]
    case: model.Case = {"start": edge + begins, "end": edge + ends, "interval": 20 if ends < 600 else 600}
    case |= {"aggregation": "rate", "streams": streams, "now": edge + ends + 1}
    answers = []
    for sealed in (False, True):
        (tmp_path / str(sealed)).mkdir()
        answers.append(ask(case, tmp_path / str(sealed), sealed=sealed))
    assert answers[0]
    assert differ(answers[1], answers[0]) == ""


def _counting(name: str, times: range, step: float) -> model.Stream:
    points = [[at, step * (place + 1) ** 2] for place, at in enumerate(times)]
    return {"series": name, "kind": "cumulative", "start": times[0] - times.step, "points": points}
