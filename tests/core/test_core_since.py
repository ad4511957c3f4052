"""First values, and over what time increments were counted, against a plain model and through restarts."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.core.support import (
    DELTA,
    Script,
    apply,
    attributes,
    counter,
    gauge,
    histograms,
    level,
    point,
    points,
    read,
    request,
    some,
)
from tests.core.test_core_restart import explicit, exponential

from blackhole import _core

SECOND = 10**9
NOW = 1_800_000_000 * SECOND
HOUR = 3600
SCRAPER = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver"


def moment(seconds: float) -> int:
    return NOW + round(seconds * SECOND)


def table() -> _core.SeriesTable:
    return _core.SeriesTable(max_series=1000, created_ns=NOW - HOUR * SECOND, started_ns=NOW)


def at(value: float, time: float, start: float | None = None, **pairs: str) -> Any:
    return point(value, moment(time), 0 if start is None else moment(start), **pairs)


def scraped(*metrics: Metric) -> ExportMetricsServiceRequest:
    message = request(*metrics)
    message.resource_metrics[0].scope_metrics[0].scope.name = SCRAPER
    return message


def process(*metrics: Metric, pid: int) -> ExportMetricsServiceRequest:
    message = request(*metrics)
    message.resource_metrics[0].resource.attributes.extend(attributes({"service.instance.id": str(pid)}))
    return message


def intervals(columns: _core.Columns) -> list[tuple[float, float, float, bool, float]]:
    """(time, since, value, estimated, period) in seconds after NOW."""
    return [
        (
            (r["time"] - NOW) / SECOND,
            (r["since"] - NOW) / SECOND,
            r["value"],
            r["estimated"],
            r["period"] / SECOND,
        )
        for r in read(columns.interval_stream())
    ]


def sent(
    known: _core.SeriesTable, *requests: ExportMetricsServiceRequest, script: Script | None = None
) -> _core.Columns:
    script = script or Script()
    outcomes = [apply(known, one, script, now_ns=NOW).columns for one in requests]
    return outcomes[0].merge(outcomes[1:])


def rows(columns: _core.Columns) -> list[float]:
    return [row["value"] for row in read(columns.point_stream())]


def test_a_first_value_whose_start_is_its_own_time_adds_nothing() -> None:
    """The Collector's Prometheus receiver gives its first look as the start."""
    found = sent(table(), *(request(counter(at(v, t, 0))) for v, t in [(1000, 0), (1005, 10), (1010, 20)]))
    assert (rows(found), intervals(found)) == ([0.0, 5.0, 5.0], [])


@pytest.mark.parametrize("kind", ["explicit", "exponential"])
def test_a_first_histogram_whose_start_is_its_own_time_adds_nothing(kind: str) -> None:
    known, script, found = table(), Script(), []
    for time, count in [(0, 3), (10, 4)]:
        if kind == "explicit":
            metric = explicit((moment(time), moment(0), [count, 0, 0]))
        else:
            metric = exponential(moment(time), 0, [1.5] * count, start=moment(0))
        found += histograms(apply(known, request(metric), script, now_ns=NOW))
    assert [row["count"] for row in found] == [0, 1]


def test_a_start_after_the_first_value_is_unknown() -> None:
    assert rows(sent(table(), request(counter(at(7, 0, 5))))) == [0.0]


def test_a_scraped_counter_begins_with_a_baseline_whichever_of_its_points_comes_first() -> None:
    assert rows(sent(table(), scraped(counter(at(1005, 10, 0), at(1010, 20, 0))))) == [0.0, 5.0]


def test_a_scraped_counter_goes_on_where_its_start_turns_out_to_be_its_first_time() -> None:
    found = sent(table(), *(scraped(counter(one)) for one in (at(1000, 0), at(1005, 10, 0), at(1010, 20, 0))))
    assert rows(found) == [0.0, 5.0, 5.0]
    assert [(time, since, value) for time, since, value, *_ in intervals(found)] == [(10, 0, 5.0)]


def test_each_restart_of_the_collector_begins_with_a_baseline() -> None:
    runs = [(1000, 0, 0), (1005, 10, 0), (1020, 40, 40), (1025, 50, 40)]
    found = sent(table(), *(scraped(counter(at(v, t, start))) for v, t, start in runs))
    assert rows(found) == [0.0, 5.0, 0.0, 5.0]


def test_a_first_value_that_covers_hours_counts_in_full_since_its_start() -> None:
    found = sent(table(), request(counter(at(7200, HOUR, -HOUR / 2))))
    assert rows(found) == [7200.0]
    assert intervals(found) == [(HOUR, -HOUR / 2, 7200.0, True, 60.0)]


def test_what_the_system_keeps_since_boot_begins_with_a_baseline() -> None:
    script = Script(_core.Rule(1, series_limit=100, first="baseline"))
    found = sent(
        table(), request(counter(at(64e8, 0, -0.000007), at(64e8 + 10, 60, -0.000007))), script=script
    )
    assert rows(found) == [0.0, 10.0]


@pytest.mark.parametrize("pids", [(1, 1), (1, 2)])
def test_a_process_that_takes_the_place_of_another_counts_from_that_ones_last_point(
    pids: tuple[int, int],
) -> None:
    script = Script(_core.Rule(1, series_limit=100, first="process"))
    found = sent(
        table(),
        process(counter(at(100, 0, 0), at(106, 60, 0)), pid=pids[0]),
        process(counter(at(4, 90, 90), at(5, 150, 90)), pid=pids[1]),
        script=script,
    )
    assert rows(found) == [0.0, 6.0, 4.0, 1.0]
    assert intervals(found) == [(90, 60, 4.0, False, 60.0)]


def test_a_process_that_has_counted_more_than_the_one_before_it_begins_with_a_baseline() -> None:
    script = Script(_core.Rule(1, series_limit=100, first="process"))
    both = process(counter(at(1, 0, 0)), pid=1), process(counter(at(4, 90, 90)), pid=2)
    assert rows(sent(table(), *both, script=script)) == [0.0, 0.0]


def test_a_process_beside_another_is_none_that_takes_its_place() -> None:
    script = Script(_core.Rule(1, series_limit=100, first="process"))
    both = process(counter(at(100, 0, -5), at(106, 60, -5)), pid=1), process(counter(at(4, 61, 30)), pid=2)
    assert rows(sent(table(), *both, script=script)) == [0.0, 6.0, 0.0]


def test_a_process_goes_on_from_one_that_only_the_store_knows() -> None:
    def treat(new: _core.NewSeries) -> _core.Treatment:
        assert new.alone
        elder = _core.Recall(moment(-30), earlier_ns=[moment(-40), moment(-50)], value=50.0)
        return _core.Treatment.open(1, 1, elder=elder)

    script = Script(_core.Rule(1, series_limit=100, first="process"), treat)
    found = sent(table(), process(counter(at(4, 0, 0)), pid=2), script=script)
    assert intervals(found) == [(0, -30, 4.0, False, 10.0)]


@pytest.mark.parametrize("away", [0.4, -0.9, 1.0])
def test_a_start_that_moves_by_less_than_a_second_is_no_new_stream(away: float) -> None:
    known, script = table(), Script()
    found = sent(known, request(counter(at(5, 10, 0))), request(counter(at(8, 20, away))), script=script)
    assert (rows(found), len(script.seen), len(known)) == ([5.0, 3.0], 1, 1)


def test_a_start_that_is_worked_out_anew_for_each_export_is_one_stream_for_ever() -> None:
    known, script = table(), Script()
    exports = [request(counter(at(5 * n, 10 * n, 0.3 * n))) for n in range(1, 20)]
    found = sent(known, *exports, *exports[-3:], script=script)
    assert rows(found) == [5.0] * 19
    assert len(script.seen) < 10


def test_a_lower_value_under_a_start_nearby_is_a_new_stream() -> None:
    found = sent(table(), request(counter(at(50, 10, 0))), request(counter(at(8, 20, 0.5))))
    assert rows(found) == [50.0, 8.0]
    assert intervals(found)[1][:3] == (20, 0.5, 8.0)


def test_starts_of_one_request_that_are_near_are_one_stream() -> None:
    known, script = table(), Script()
    found = sent(known, request(counter(at(5, 10, 0), at(8, 20, 0.2))), script=script)
    assert (rows(found), len(script.seen)) == ([5.0, 3.0], 1)


def test_a_level_whose_start_moves_is_one_stream_also_when_it_falls() -> None:
    known = table()
    sent(known, request(level(at(5, 10, 0))), request(level(at(3, 20, 0.5))))
    assert len(known) == 1


def test_scraped_starts_may_be_two_seconds_apart() -> None:
    known = table()
    found = sent(known, scraped(counter(at(5, 10, 0))), scraped(counter(at(8, 20, 1.9))))
    assert (rows(found), len(known)) == ([0.0, 3.0], 1)


def test_a_value_that_falls_under_one_start_counts_in_full_since_the_row_before() -> None:
    found = sent(table(), request(counter(at(50, 10), at(55, 20), at(8, 30))))
    assert (rows(found), intervals(found)) == ([0.0, 5.0, 8.0], [])


def test_a_late_cumulative_point_adds_nothing_and_changes_no_period() -> None:
    data = [at(10 * n, 10 * n) for n in range(4)]
    found = sent(table(), request(counter(*data, at(2, 29.9), at(29, 29.8), at(90, 90))))
    assert rows(found) == [0.0, 10.0, 10.0, 10.0, 60.0]
    assert intervals(found) == [(90, 30, 60.0, True, 10.0)]


@pytest.mark.parametrize("bounds", [[3.0, 4.0], [2.0], []])
def test_a_histogram_whose_bounds_change_goes_on_without_buckets(bounds: list[float]) -> None:
    later = explicit((moment(20), moment(0), [7, 3, 2]))
    data = later.histogram.data_points[0]
    del data.explicit_bounds[:]
    data.explicit_bounds.extend(bounds)
    counts = {2: [7, 3, 2], 1: [7, 5], 0: []}[len(bounds)]
    del data.bucket_counts[:]
    data.bucket_counts.extend(counts)
    known, script = table(), Script()
    apply(known, request(explicit((moment(10), moment(0), [6, 2, 2]))), script, now_ns=NOW)
    outcome = apply(known, request(later), script, now_ns=NOW)
    [row] = histograms(outcome)
    assert (row["count"], row["sum"], row["bounds"], row["buckets"]) == (2, 20.0, [], [])
    assert (row["cumulative_count"], row["min"], row["cumulative_buckets"]) == (12, None, counts)


def test_a_histogram_that_falls_while_its_bounds_change_began_again() -> None:
    later = explicit((moment(20), moment(0), [1, 0, 0]))
    later.histogram.data_points[0].explicit_bounds[0] = 1.0
    known, script = table(), Script()
    apply(known, request(explicit((moment(10), moment(0), [6, 2, 2]))), script, now_ns=NOW)
    [row] = histograms(apply(known, request(later), script, now_ns=NOW))
    assert (row["count"], row["buckets"]) == (1, [1, 0, 0])


def test_an_increment_of_a_delta_has_its_own_interval() -> None:
    data = [at(5, 10, 0), at(5, 20, 10), at(5, 50, 40), at(5, 60, 60), at(5, 400, 60)]
    found = sent(table(), request(counter(*data, temporality=DELTA)))
    assert rows(found) == [5.0] * 5
    assert intervals(found) == [
        (10, 0, 5.0, False, 10.0),
        (50, 40, 5.0, False, 10.0),
        (60, 50, 5.0, False, 10.0),
        (400, 60, 5.0, True, 10.0),
    ]


def test_a_delta_without_a_start_grew_since_the_point_before_or_for_a_period() -> None:
    found = sent(table(), request(counter(*(at(5, t) for t in (0, 10, 20)), temporality=DELTA)))
    assert intervals(found) == [(0, -60, 5.0, False, 60.0)]


def test_what_is_longer_than_ten_minutes_says_so_however_regular_it_is() -> None:
    found = sent(table(), request(counter(*(at(n, 900 * n) for n in range(4)))))
    assert intervals(found) == [
        (900, 0, 1.0, True, 900.0),
        (1800, 900, 1.0, False, 900.0),
        (2700, 1800, 1.0, False, 900.0),
    ]


def test_who_sends_every_two_hours_stays_in_memory_for_five() -> None:
    known, script = table(), Script()
    for time in (0, 2 * HOUR):
        apply(known, request(counter(at(time, time))), script, now_ns=moment(time))
    assert known.evict(moment(2 * HOUR + 4.9 * HOUR - HOUR)) == 0
    assert known.evict(moment(2 * HOUR + 5.1 * HOUR - HOUR)) == 1


def test_levels_and_values_have_no_intervals() -> None:
    metrics = gauge(at(1, 0), at(1, 900)), level(at(1, 0, -5), at(1, 900, -5))
    assert sent(table(), request(*metrics)).intervals == 0


def test_a_stream_that_goes_on_under_another_number_says_since_when() -> None:
    known = table()
    first = Script(treat=lambda _: _core.Treatment.open(1, 1))
    second = Script(treat=lambda _: _core.Treatment.open(2, 2))
    apply(known, request(counter(at(5, 0), at(6, 10))), first, now_ns=NOW)
    known.forget_rules()
    found = apply(known, request(counter(at(8, 20), at(9, 30))), second, now_ns=NOW).columns
    assert intervals(found) == [(20, 10, 2.0, False, 10.0)]


def test_values_in_another_unit_are_converted_with_all_that_hangs_on_them() -> None:
    script = Script(treat=lambda _: _core.Treatment.open(1, 1, factor=1e-3))
    known = table()
    apply(known, request(counter(at(1000, 10, 0))), script, now_ns=NOW)
    [row] = points(apply(known, request(counter(at(1500, 20, 0))), script, now_ns=NOW))
    assert (row["value"], row["cumulative"]) == (0.5, 1.5)
    [row] = histograms(
        apply(known, request(explicit((moment(10), moment(0), [1, 2, 3]))), script, now_ns=NOW)
    )
    assert (row["bounds"], row["sum"], row["min"], row["max"]) == ([0.002, 0.004], 0.06, 0.001, 0.009)
    assert (row["buckets"], row["cumulative_bounds"]) == ([1, 2, 3], [0.002, 0.004])


def test_exponential_histograms_in_another_unit_are_stored_in_that_of_the_entry() -> None:
    script = Script(treat=lambda _: _core.Treatment.open(1, 1, factor=1000.0))
    known, found = table(), []
    for time, observed in [(10, [1.5]), (20, [1.5, 3.0])]:
        metric = exponential(moment(time), 0, observed, start=moment(0))
        found += histograms(apply(known, request(metric), script, now_ns=NOW))
    assert [row["sum"] for row in found] == [1500.0, 3000.0]
    assert [row["bounds"] for row in found] == [[1000.0, 2000.0], [1000.0, 2000.0, 4000.0]]
    assert found[1]["cumulative_bounds"][0] == 0.0  # the scale, as sent


@dataclass
class Known:
    """A stream of the plain model."""

    times: list[float] = field(default_factory=list)
    value: float = 0.0


class Model:
    """Cumulative counters by start, as CONTRACT.md describes them; times in seconds."""

    def __init__(self) -> None:
        self.streams: dict[float | None, Known] = {}

    def add(self, start: float | None, time: float, value: float) -> list[tuple[Any, ...]]:
        """Of a new row: its value, and (since, estimated, period) where that must be told."""
        stream = self.streams.setdefault(start, Known())
        if stream.times and time <= stream.times[-1]:
            return []
        before = stream.times[-1] if stream.times else None
        usual = period(stream.times) or self.inherited(start)
        last, stream.value = stream.value, value
        stream.times.append(time)
        now = period(stream.times) or self.inherited(start)
        if before is None:
            if start is None or start >= time:
                return [(0.0, None)]
            return [(value, (start, time - start > 5 * usual, now))]
        length = time - before
        told = length > 5 * usual or length > 600
        grown = value - last if value >= last else value
        return [(grown, (before, length > 5 * usual, now) if told else None)]

    def inherited(self, start: float | None) -> float:
        if start is None:
            return 60.0
        ended = [s for key, s in self.streams.items() if key != start and s.times and s.times[-1] <= start]
        elder = max(ended, key=lambda s: s.times[-1], default=None)
        return 60.0 if elder is None else period(elder.times) or 60.0


def period(times: Sequence[float]) -> float | None:
    distances = [b - a for a, b in pairwise(times)][-9:]
    return statistics.median(distances) if distances else None


export = st.tuples(
    st.sampled_from([None, 0, 100]),
    st.one_of(st.integers(1, 40), st.integers(1, 40), st.integers(1, 2000)),
    st.integers(0, 9),
    st.sampled_from(["on", "on", "on", "late", "restart", "falls"]),
)


class Service:
    """A table whose rows and intervals are kept, and which is begun anew from those alone."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.streams: dict[bytes, tuple[int, int, int]] = {}
        self.table = table()

    def send(self, *data: Any) -> _core.Columns:
        columns = apply(self.table, request(counter(*data)), Script(treat=self._treat), now_ns=NOW).columns
        self.rows += read(columns.point_stream())
        return columns

    def _treat(self, new: _core.NewSeries) -> _core.Treatment:
        known = new.key in self.streams
        number, *_ = self.streams.setdefault(new.key, (len(self.streams) + 1, new.kin, new.start_ns))
        if known:
            return _core.Treatment.open(number, number, self._recall(number, number))
        elders = [self._recall(n, 0) for n in self._ended(new)] if new.alone else []
        return _core.Treatment.open(number, number, elder=elders[-1] if elders else None)

    def _ended(self, new: _core.NewSeries) -> list[int]:
        last = {
            n: self._last(n)["time"] for n, kin, _ in self.streams.values() if kin == new.kin and self._of(n)
        }
        return sorted((n for n, time in last.items() if time <= new.start_ns), key=lambda n: last[n])

    def _of(self, stream: int) -> list[dict[str, Any]]:
        return sorted((r for r in self.rows if r["stream"] == stream), key=lambda row: -int(row["time"]))

    def _last(self, stream: int) -> dict[str, Any]:
        return self._of(stream)[0]

    def _recall(self, number: int, stream: int) -> _core.Recall:
        last, *earlier = self._of(number)
        times = [row["time"] for row in earlier[:9]]
        return _core.Recall(last["time"], stream=stream, earlier_ns=times, value=last["cumulative"])


@some
@given(st.lists(export, max_size=40))
def test_random_streams_through_restarts_follow_the_model(steps: list[tuple[Any, int, int, str]]) -> None:
    service, model, clock, counts = (
        Service(),
        Model(),
        {None: 1e5, 0: 1.0, 100: 101.0},
        dict.fromkeys((None, 0, 100), 0),
    )
    for start, step, growth, what in steps:
        if what == "restart":
            service.table = table()
        time = clock[start] + (-1 if what == "late" else step)
        if any(heir and start != heir and time <= heir for heir in model.streams):
            continue  # the heir has its period already
        clock[start] = max(clock[start], time)
        counts[start] = growth if what == "falls" else counts[start] + growth
        columns = service.send(at(counts[start], time, start))
        expected = model.add(start, time, counts[start])
        assert rows(columns) == [value for value, _ in expected]
        told = [(since, estimated, gap) for _, since, _, estimated, gap in intervals(columns)]
        assert told == [piece for _, piece in expected if piece is not None]


@some
@given(
    st.lists(
        st.tuples(st.sampled_from([None, 0]), st.integers(1, 900), st.integers(0, 9)), min_size=1, max_size=30
    )
)
def test_thinned_rows_cover_the_time_of_those_that_they_are_of(steps: list[tuple[Any, int, int]]) -> None:
    """Pieces as they are read back: of a row without a word since the row before, of the first none."""
    service, clock, value = Service(), {None: 0.0, 0: 0.5}, 0
    commits = []
    for start, tenths, growth in steps:
        clock[start], value = clock[start] + tenths / 10, value + growth
        commits.append(service.send(at(value, clock[start], start)))
    merged = commits[0].merge(commits[1:])
    whole = pieces(merged)
    for factor in (2, 4, 64):
        thinned = pieces(merged.thin(factor))
        for stream, all_of_it in whole.items():
            kept = thinned.get(stream, [])
            assert sum(v for *_, v in kept) == sum(v for *_, v in all_of_it)
            ends = {end for _, end, _ in all_of_it} | {begin for begin, *_ in all_of_it}
            assert all(begin in ends and end in ends for begin, end, _ in kept)
            for begin, end, amount in kept:
                assert amount == sum(v for a, b, v in all_of_it if begin <= a and b <= end)


def pieces(columns: _core.Columns) -> dict[int, list[tuple[int, int, float]]]:
    told = {(row["stream"], row["time"]): row["since"] for row in read(columns.interval_stream())}
    found: dict[int, list[tuple[int, int, float]]] = {}
    last: dict[int, int] = {}
    for row in read(columns.point_stream()):
        stream, time = row["stream"], row["time"]
        since = told.get((stream, time), last.get(stream))
        if since is not None:
            found.setdefault(stream, []).append((since, time, row["value"]))
        last[stream] = time
    return found


def test_values_that_were_counted_here_grow_since_the_request_before() -> None:
    decoder, known, script = _core.Decoder(bytes(16)), table(), Script()
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.add(severity_number=9)
    found = []
    for time in (0, 10, 20):
        batch = decoder.logs(message.SerializeToString(), "protobuf", moment(time))
        outcome = known.apply(batch, script, now_ns=moment(time), oldest_ns=0, newest_ns=moment(60))
        found.append(outcome.columns)
    merged = found[0].merge(found[1:])
    assert intervals(merged) == [(0, -60, 1.0, False, 60.0)]
    assert intervals(merged.gather()) == [(10, -60, 2.0, False, 60.0)]
