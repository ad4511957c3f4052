"""What comes packed as it is stored is what came row by row; what is of another shape is refused."""

import random
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from tests.query.rates import drawing, feeding, model
from tests.query.rates.packing import CHUNKS, ENDS, HOURS, INTERVALS, POINTS, STREAMS, Packed, Rows
from tests.query.rates.test_model import DRAWN, compare, differ

from blackhole._core import Fold
from blackhole.query.folding import LOOK_BACK_NS

AT_ONCE = 25
SECOND = 10**9
HOUR = 3600 * SECOND
T0 = 500_000 * HOUR


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


@pytest.mark.parametrize("seed", range(0, DRAWN // 5, AT_ONCE))
def test_packed_streams_have_the_plain_model_s_answer(database: duckdb.DuckDBPyConnection, seed: int) -> None:
    for one in range(seed, seed + AT_ONCE):
        case, draw = drawing.case(one), random.Random(one)
        packed = Packed(draw, case)
        if not packed.in_order:
            continue  # the rows of a chunk do not tell which of them came late
        fold = feeding.fold_of(case)
        packed.feed(database, fold, slices=draw.choice((1, 3)))
        assert compare(feeding.answers(fold, case)[0], case) == "", f"seed {one}"


# One that is seldom heard is the last of several senders of increments.
@pytest.mark.parametrize("seed", [247])
def test_slices_know_no_more_of_the_edge_than_the_model(
    database: duckdb.DuckDBPyConnection, seed: int
) -> None:
    case = drawing.case(seed)
    for slices in (1, 2, 3, 5):
        fold = feeding.fold_of(case)
        Packed(random.Random(seed), case).feed(database, fold, slices=slices)
        assert compare(feeding.answers(fold, case)[0], case) == ""


@pytest.mark.parametrize("seed", range(0, DRAWN // 5, AT_ONCE))
def test_what_is_outside_of_the_range_need_not_be_unpacked(
    database: duckdb.DuckDBPyConnection, seed: int
) -> None:
    for one in range(seed, seed + AT_ONCE):
        case = {**drawing.case(one), "aggregation": "rate"}
        if any(stream["kind"] != "cumulative" for stream in case["streams"]):
            continue
        packed = Packed(random.Random(one), case)
        start, end = feeding.ns(case["start"]), feeding.ns(case["end"])
        ends = [row["last"] for row in packed.ends]
        needed = any(start - LOOK_BACK_NS < last <= start for last in ends)
        after = start - LOOK_BACK_NS if needed else start
        packed.chunks = [
            row for row in packed.chunks if row["last"] > after and (row["since"] or row["start"]) < end
        ]
        fold = feeding.fold_of(case)
        packed.feed(database, fold)
        assert differ(feeding.answers(fold, case)[0][0], model.answer(case)[0]) == "", f"seed {one}"


def _hours(function: str = "rate") -> Fold:
    edges = [T0 + hour * HOUR for hour in range(4)]
    fold = Fold(function, now_ns=T0 + 50 * HOUR, start_ns=T0, end_ns=edges[-1], edges=edges, groups=1)
    fold.stream(7, 0, 0)
    return fold


def test_sums_of_hours_are_rates_of_hours(database: duckdb.DuckDBPyConnection) -> None:
    fold = _hours()
    half = T0 + HOUR // 2
    late = {"stream": 7, "time": T0 + 4 * HOUR, "since": T0 + 2 * HOUR, "value": 7200.0, "estimated": True}
    short = {"stream": 7, "time": T0 + HOUR, "since": half, "value": 1800.0, "estimated": False}
    fold.intervals(Rows(database, INTERVALS, [late, short]))
    fold.ends(Rows(database, ENDS, [{"stream": 7, "last": T0 + 4 * HOUR, "arrived": T0 + 4 * HOUR}]))
    hour = T0 // HOUR
    sums = {"stream": 7, "hour": hour, "grown": [1800.0, 7200.0], "samples": [60, 120], "sample_hour": hour}
    fold.hours(Rows(database, HOURS, [{**sums, "first": half}]))
    assert [row[:5] for row in fold.finish()] == [(0, [0, 1, 2], [1.0, 2.0, 1.0], [60, 120, 0], [1, 0, 2])]


def test_what_was_spread_over_a_silence_is_estimated_in_hours_too(
    database: duckdb.DuckDBPyConnection,
) -> None:
    fold = _hours()
    entry = {"time": T0 + HOUR + HOUR // 4, "since": T0 + HOUR // 2, "value": 2700.0, "estimated": True}
    fold.intervals(Rows(database, INTERVALS, [{"stream": 7, **entry}]))
    fold.ends(Rows(database, ENDS, [{"stream": 7, "last": T0 + 3 * HOUR, "arrived": T0 + 3 * HOUR}]))
    sums = {"stream": 7, "hour": T0 // HOUR, "grown": [3600.0] * 3, "samples": [60] * 3}
    fold.hours(Rows(database, HOURS, [{**sums, "sample_hour": T0 // HOUR}]))
    ((_, _, values, _, flags, _),) = fold.finish()
    assert (values, flags) == ([1.0, 1.0, 1.0], [2, 2, 0])


def test_an_entry_counts_once_with_its_row_and_without(database: duckdb.DuckDBPyConnection) -> None:
    entry = {"stream": 7, "time": T0 + 2 * HOUR, "since": T0, "value": 7200.0, "estimated": True}
    row = {"stream": 7, "time": T0 + 2 * HOUR, "value": 7200.0, "arrived": T0 + 2 * HOUR}
    for rows, samples in (([row], [0, 0, 1]), ([], [0, 0, 1])):
        fold = _hours()
        fold.intervals(Rows(database, INTERVALS, [entry]))
        fold.points(Rows(database, POINTS, rows))
        assert [row[:5] for row in fold.finish()] == [(0, [0, 1], [1.0, 1.0], samples[:2], [2, 2])]


def test_an_entry_of_long_ago_is_no_rate_of_now(database: duckdb.DuckDBPyConnection) -> None:
    """The first point has an entry that stays the newest; what is sealed since then is read by hours."""
    fold = _hours()
    first, last = T0 - 24 * HOUR, T0 + 3 * HOUR - 30 * SECOND
    entry = {"stream": 7, "time": first, "since": first - 60 * SECOND, "value": 6000.0, "estimated": False}
    fold.ends(
        Rows(database, ENDS, [{"stream": 7, "last": last, "period": 60 * SECOND, "arrived": T0 + 50 * HOUR}])
    )
    fold.intervals(Rows(database, INTERVALS, [entry]))
    sums = {"stream": 7, "hour": T0 // HOUR, "grown": [3600.0] * 2 + [3570.0], "samples": [60] * 3}
    fold.hours(Rows(database, HOURS, [{**sums, "sample_hour": T0 // HOUR}]))
    ((_, _, values, *_),) = fold.finish()
    assert values == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize("kind", [0, 1])
def test_chunks_that_lie_within_each_other_are_read_by_time(
    database: duckdb.DuckDBPyConnection, kind: int
) -> None:
    """A histogram whose bounds change is sealed into a chunk for each, and its first point has an entry."""
    minute, first = 60 * SECOND, T0 - HOUR
    times = [first + n * minute for n in range(241)]
    fold = Fold("rate", now_ns=times[-1], start_ns=T0, end_ns=T0 + HOUR, edges=[T0, T0 + HOUR], groups=1)
    fold.stream(7, 0, kind)
    fold.ends(
        Rows(database, ENDS, [{"stream": 7, "last": times[-1], "period": minute, "arrived": times[-1]}])
    )
    entry = {"stream": 7, "time": first, "since": first - minute, "value": 9000.0, "estimated": False}
    fold.intervals(Rows(database, INTERVALS, [entry]))
    chunks = []
    for lane, amounts in ((0, 30.0), (1, 90.0)):
        mine = times[1 + lane :: 2]
        chunk = {"stream": 7, "start": mine[0], "last": mine[-1], "step": 2 * minute, "count": len(mine)}
        chunks.append({**chunk, "kind": 0, "scale": 0, "base": 0, "reals": [amounts] * len(mine)})
        chunks[-1] |= {"since": mine[0] - minute, "period": minute, "arrived": times[-1]}
    fold.chunks(Rows(database, CHUNKS, chunks))
    ((_, _, values, *_),) = fold.finish()
    assert values == pytest.approx([1.0])


def test_what_was_stored_in_another_unit_is_converted_at_every_door(
    database: duckdb.DuckDBPyConnection,
) -> None:
    stream = {"stream": 7, "series": 5, "kind": 0}
    entry = {"stream": 7, "time": T0 + HOUR, "since": T0, "value": 360_000.0, "estimated": False}
    hour = {"stream": 7, "hour": T0 // HOUR + 1, "grown": [360_000.0], "samples": [1]}
    chunk = {**CHUNK, "start": T0 + 2 * HOUR + 10 * SECOND, "last": T0 + 2 * HOUR + 12 * SECOND}
    row = {"stream": 7, "time": T0 + 2 * HOUR + 20 * SECOND, "value": 800.0, "arrived": T0}
    edges = [T0, T0 + HOUR, T0 + 2 * HOUR, T0 + 2 * HOUR + 12 * SECOND, T0 + 2 * HOUR + 20 * SECOND]
    fold = Fold("rate", now_ns=edges[-1], start_ns=T0, end_ns=edges[-1], edges=edges, groups=1)
    fold.series([5], [0], [0.01])
    fold.streams(Rows(database, STREAMS, [stream]))
    fold.intervals(Rows(database, INTERVALS, [entry]))
    fold.hours(Rows(database, HOURS, [{**hour, "sample_hour": T0 // HOUR + 1}]))
    since = {"since": T0 + 2 * HOUR, "kind": 0, "tiny_steps": None}
    fold.chunks(Rows(database, CHUNKS, [{**chunk, **since, "reals": [1000.0, 100.0, 100.0]}]))
    fold.points(Rows(database, POINTS, [row]))
    ((_, _, values, *_),) = fold.finish()
    assert values == pytest.approx([1.0] * 4)


def test_rows_of_streams_that_were_not_named_are_left_out(database: duckdb.DuckDBPyConnection) -> None:
    fold = _hours()
    row = {"stream": 8, "time": T0, "value": 1.0, "arrived": T0}
    fold.points(Rows(database, POINTS, [row, {**row, "time": T0 + HOUR}]))
    assert fold.finish() == []
    with pytest.raises(ValueError, match="stream 8 is not known"):
        _hours().point(8, T0, 1.0)


CHUNK: dict[str, Any] = {
    "stream": 7,
    "start": T0,
    "last": T0 + 2 * SECOND,
    "step": SECOND,
    "count": 3,
    "kind": 4,
    "scale": 1,
    "base": 50,
    "tiny_steps": [5, 0, 10],
    "arrived": T0 + HOUR,
}


@pytest.mark.parametrize(
    "broken",
    [
        {"count": 2},
        {"count": 0},
        {"tiny_steps": None},
        {"tiny_steps": []},
        {"kind": 9},
        {"kind": 1},
        {"kind": 0},
        {"kind": 0, "reals": [1.0]},
        {"scale": 60},
        {"step": -1},
        {"start": -5},
        {"offsets": [0, 1]},
        {"reach": 1},
        {"reach": -1, "far": [1]},
        {"base": 2**63 - 1},
        {"arrived": -1},
        {"arrived": None},
        {"start": None},
        {"tiny_steps": [1, None, 2]},
    ],
    ids=str,
)
def test_what_is_no_chunk_is_refused(database: duckdb.DuckDBPyConnection, broken: dict[str, Any]) -> None:
    _hours().chunks(Rows(database, CHUNKS, [CHUNK]))
    with pytest.raises(ValueError, match=r"chunk|null|time|arrived"):
        _hours().chunks(Rows(database, CHUNKS, [CHUNK, {**CHUNK, **broken}]))


def test_broken_chunks_never_stop_the_core(database: duckdb.DuckDBPyConnection) -> None:
    draw = random.Random(1)
    names = [column.split()[0] for column in CHUNKS.split(", ")]
    most = {"kind": 2**8, "scale": 2**8, "count": 2**16, "reach": 2**15, "stream": 2**32}
    widths = {"tiny_steps": 2**7, "short_steps": 2**15, "steps": 2**31, "far": 2**15}
    for _ in range(300):
        row = dict(CHUNK)
        for name in draw.sample(names, draw.randrange(1, 4)):
            if name in ("offsets", "tiny_steps", "short_steps", "steps", "long_steps", "far"):
                width = widths.get(name, 2**63)
                row[name] = [draw.randrange(-width, width) for _ in range(draw.choice((0, 2, 3, 3)))]
            elif name == "reals":
                row[name] = draw.choice(([], [1.0, float("inf"), float("nan")], [1e308, -1e308, 1e308]))
            else:
                row[name] = draw.choice((0, 1, 4, most.get(name, 2**63) - 1, draw.randrange(5)))
        try:
            fold = _hours()
            fold.chunks(Rows(database, CHUNKS, [row, {**CHUNK, "start": T0 + HOUR, "last": T0 + HOUR}]))
            fold.finish()
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("door", "sql"),
    [
        ("points", "SELECT 7::UINTEGER AS stream"),
        ("points", "SELECT 7 AS stream, 1::BIGINT AS time, 1.0::DOUBLE AS value, 1::BIGINT AS arrived"),
        ("ends", "SELECT 7::UINTEGER AS stream, 1::BIGINT AS last, NULL::BIGINT AS arrived"),
        ("streams", "SELECT 9::UINTEGER AS stream, 5::UINTEGER AS series, 3::UTINYINT AS kind"),
        ("streams", "SELECT 9::UINTEGER AS stream, 6::UINTEGER AS series, 0::UTINYINT AS kind"),
        ("streams", "SELECT 9::UINTEGER AS stream, 4::UINTEGER AS series, 0::UTINYINT AS kind"),
        ("streams", "SELECT 9::UINTEGER AS stream, 0::UTINYINT AS kind"),
        ("streams", "SELECT 7::UINTEGER AS stream, 5::UINTEGER AS series, 0::UTINYINT AS kind"),
        ("streams", "SELECT 9::UINTEGER AS stream, 5::UINTEGER AS series, 2::UTINYINT AS kind"),
    ],
)
def test_a_table_of_another_shape_is_refused(
    database: duckdb.DuckDBPyConnection, door: str, sql: str
) -> None:
    fold = _hours()
    fold.series([5, 6], [0, 5], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"column|is not|is Int32|nulls|kind|groups|twice"):
        getattr(fold, door)(database.sql(sql))
    with pytest.raises(AttributeError):
        getattr(_hours(), door)("no table")


def test_points_out_of_order_are_refused(database: duckdb.DuckDBPyConnection) -> None:
    row = {"stream": 7, "time": T0 + HOUR, "value": 1.0, "arrived": T0}
    with pytest.raises(ValueError, match="order"):
        _hours().points(Rows(database, POINTS, [row, {**row, "time": T0}]))


def test_nothing_can_be_fed_once_something_was_asked(database: duckdb.DuckDBPyConnection) -> None:
    fold = _hours()
    assert fold.now() == [None]
    with pytest.raises(ValueError, match="once something was asked"):
        fold.streams(Rows(database, STREAMS, []))
    with pytest.raises(ValueError, match="once something was asked"):
        fold.point(7, T0, 1.0)
    fold.finish()
    with pytest.raises(ValueError, match="once"):
        fold.finish()


@pytest.mark.parametrize(
    "wrong",
    [
        {"function": "sum"},
        {"edges": [T0]},
        {"edges": [T0, T0]},
        {"edges": [-1, T0]},
        {"end_ns": T0},
        {"now_ns": -1},
        {"now_ns": 2**62},
        {"groups": 2**21},
    ],
    ids=str,
)
def test_a_question_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"now_ns": T0, "start_ns": T0, "end_ns": T0 + HOUR, "edges": [T0, T0 + HOUR]}
    with pytest.raises(ValueError, match=r"edge|function|end_ns|now_ns|groups"):
        Fold(**{"function": "rate", **asked, "groups": 1, **wrong})


def test_all_layouts_of_lists_are_read(database: duckdb.DuckDBPyConnection) -> None:
    answers = []
    for large, views in ((False, False), (True, False), (False, True), (True, True)):
        database.execute(f"SET arrow_large_buffer_size = {large}; SET arrow_output_list_view = {views}")
        fold = _hours()
        fold.chunks(Rows(database, CHUNKS, [CHUNK]))
        answers.append([row[:5] for row in fold.finish()])
    database.execute("RESET arrow_large_buffer_size; RESET arrow_output_list_view")
    assert answers == [[(0, [0], [0.5], [3], [1])]] * 4


def _streams_of(draw: random.Random, kind: int) -> list[tuple[list[int], list[float]]]:
    """Two streams of some hundred points every ten seconds or so, with gaps, and moments that come twice."""
    streams = []
    for _ in range(2):
        times = [T0 + draw.randrange(60 * SECOND)]
        while len(times) < 500:
            steps = (draw.randint(-SECOND, SECOND), *(0 if kind == 2 else SECOND, 300 * SECOND, -9 * SECOND))
            odd = draw.choices(steps, (97, 1, 1, 1))[0]
            times.append(times[-1] + (0 if odd == 0 else 10 * SECOND + odd))
        streams.append((times, [float(draw.randrange(100)) for _ in times]))
    return streams


def _fold_of_many(function: str, kind: int) -> Fold:
    edges = [T0 + minutes * 60 * SECOND for minutes in range(0, 181, 7)]
    fold = Fold(function, now_ns=T0 + 4 * HOUR, start_ns=T0, end_ns=edges[-1], edges=edges, groups=1)
    for stream in range(2):
        fold.stream(stream, 0, kind)
    return fold


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("function", "kind"), [("rate", 0), *((name, 2) for name in ("avg", "min", "max", "last"))]
)
def test_many_points_at_once_are_what_they_are_one_by_one(
    database: duckdb.DuckDBPyConnection, function: str, kind: int, seed: int
) -> None:
    streams = _streams_of(random.Random(seed), kind)
    single, packed = _fold_of_many(function, kind), _fold_of_many(function, kind)
    chunks = []
    for stream, (times, values) in enumerate(streams):
        for time, value in zip(times, values, strict=True):
            single.point(stream, time, value)
        for first in range(0, len(times), 200):
            some = times[first : first + 200]
            chunks.append(
                {"stream": stream, "start": some[0], "last": some[-1], "step": 0, "count": len(some)}
                | {"since": times[first - 1] if first else None, "offsets": [time - some[0] for time in some]}
                | {
                    "kind": 0,
                    "scale": 0,
                    "base": 0,
                    "reals": values[first : first + 200],
                    "arrived": some[-1],
                }
            )
    packed.chunks(Rows(database, CHUNKS, chunks[::-1]))
    ((_, *one), (_, *other)) = (*single.finish(), *packed.finish())
    assert (one[0], one[2:]) == (other[0], other[2:])
    assert one[1] == pytest.approx(other[1], rel=1e-9)
