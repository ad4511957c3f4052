"""A number is the same wherever it is read, and it is what was sent: at every pace, range and age."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.service import history
from tests.service.history import DAY, HOUR, SECOND, Files, Line
from tests.service.road import Clock
from tests.service.surfaces import moment

from blackhole.config import parse_duration
from blackhole.query.language import Answer, Filter, Query
from blackhole.query.run import QueryService
from blackhole.store.database import Database

MINUTE = 60
# Ranges that people look at, each with the buckets that it is drawn in.
RANGES = {
    "5m": (5 * MINUTE, 30),
    "10m": (10 * MINUTE, 60),
    "1h": (HOUR, 5 * MINUTE),
    "6h": (6 * HOUR, 30 * MINUTE),
    "24h": (DAY, HOUR),
    "7d": (7 * DAY, 6 * HOUR),
    "30d": (30 * DAY, DAY),
}
# At which age which of them are looked at.
AGES = {
    "recent": ("5m", "1h", "24h"),
    "half_sealed": ("5m", "10m", "6h", "7d"),
    "sealed": ("10m", "1h", "24h", "30d"),
    "rolled_up": ("5m", "6h", "7d", "30d"),
}

Truth = dict[float, float]
Model = Callable[[Line, float, float, int], Truth]

# Its fixtures take long: one worker makes them, for all of its tests.
pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("one_truth")]


def rate(line: Line, start: float, end: float, step: int) -> Truth:
    return history.rates(line, start, end, step, line.values)


def sum_rate(line: Line, start: float, end: float, step: int) -> Truth:
    return history.rates(line, start, end, step, line.sums)


def p95(line: Line, start: float, end: float, step: int) -> Truth:
    return history.percentiles(line, start, end, step, 0.95)


def counted(line: Line, start: float, end: float, step: int) -> Truth:
    return {bucket: value / step for bucket, value in history.sums(line, start, end, step).items()}


def observed(line: Line, start: float, end: float, step: int) -> Truth:
    return counted(replace(line, values=line.sums), start, end, step)


BY_TIME: dict[Model, Model] = {rate: counted, sum_rate: observed, history.levels: history.means}

# What is asked for, of which kinds, and what is then true.
MODELS: dict[str, dict[str, Model]] = {
    "rate": dict.fromkeys(("counter", "spans", "explicit", "exponential"), rate),
    "sum_rate": dict.fromkeys(("explicit", "exponential"), sum_rate),
    "sum": dict.fromkeys(("counter", "spans"), history.sums),
    "count": dict.fromkeys(("explicit", "exponential"), history.sums),
    "p95": dict.fromkeys(("explicit", "exponential"), p95),
    "avg": {"level": history.levels, "gauge": history.means},
}


@dataclass
class Desk:
    """The history at one age, as the service answers about it."""

    runner: QueryService
    files: Files

    def answer(self, line: Line, aggregation: str, start: float, end: float, step: int | None) -> Answer:
        filters: dict[str, Filter] = {"service.name": line.service}
        return self.runner.query(
            Query(line.metric, start, end, aggregation=aggregation, interval=step, filters=filters)
        )

    def ask(self, line: Line, aggregation: str, start: float, end: float, step: int) -> Truth:
        return self.values(self.answer(line, aggregation, start, end, step))

    @staticmethod
    def values(answer: Answer) -> Truth:
        (series,) = answer.series
        return {moment(one.timestamp): one.value for one in series.points if one.value is not None}

    def whole(self, length: int, step: int) -> tuple[float, float]:
        """A range of whole buckets that ends lately."""
        end = self.files.now // SECOND // step * step
        return end - length, end


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return history.build(tmp_path_factory.mktemp("truth"), time.time_ns())


@pytest.fixture(scope="module")
def desks(files: Files) -> Iterator[Mapping[str, Desk]]:
    clock = Clock(files.now)
    known, _ = history.catalogue(files.recent.parent)
    paths: dict[str, Path] = {age: getattr(files, age) / "analytics.duckdb" for age in AGES}
    opened = {age: Database.open(path, clock=clock) for age, path in paths.items()}
    yield {
        age: Desk(QueryService(one, known, windows=history.config(), now=lambda: files.now / SECOND), files)
        for age, one in opened.items()
    }
    for one in opened.values():
        one.close()


def summed_up(
    line: Line, model: Model, files: Files, asked: tuple[float, float, int], found: Truth
) -> tuple[Truth, Truth]:
    """What was found and is true where some days are sums: of these only the times of exports are known.

    Left out are the two buckets at the border, where one has a part of an increment that is counted whole.
    """
    step = asked[2]
    cut = (files.now // SECOND - history.KEPT_DAYS * DAY) // DAY * DAY
    older = BY_TIME[model](line, *asked) if model in BY_TIME else {}
    truth = model(line, *asked) | {at: value for at, value in older.items() if at + step <= cut}
    there = {at for at in {*truth, *found} if not cut - step <= at <= cut}
    return {at: found[at] for at in there & found.keys()}, {at: truth[at] for at in there & truth.keys()}


def cases(files: Files, name: str, aggregation: str, age: str) -> Iterator[tuple[Line, Model]]:
    """The lines that were there all the time, with an export or more a bucket."""
    length, step = RANGES[name]
    rolled = age == "rolled_up" and length > history.KEPT_DAYS * DAY
    for line in files.lines:
        there = files.now - line.times[0] >= (length + step) * SECOND and step >= line.period
        if line.kind in MODELS[aggregation] and there and not (rolled and aggregation == "p95"):
            yield line, MODELS[aggregation][line.kind]


def differences(found: Truth, expected: Truth) -> list[str]:
    """Within a billionth of the largest; moments that only one has are differences, too."""
    size = 1e-9 * max(map(abs, expected.values()), default=1.0)
    return [
        f"{when}: {found.get(when)} for {expected.get(when)}"
        for when in sorted({*found, *expected})
        if when not in found or when not in expected or not abs(found[when] - expected[when]) <= size
    ]


@pytest.mark.parametrize(("age", "name"), [(age, name) for age, names in AGES.items() for name in names])
@pytest.mark.parametrize("aggregation", list(MODELS))
def test_an_answer_is_what_was_sent(
    files: Files, desks: Mapping[str, Desk], age: str, name: str, aggregation: str
) -> None:
    length, step = RANGES[name]
    start, end = desks[age].whole(length, step)
    wrong = []
    for line, model in cases(files, name, aggregation, age):
        found = desks[age].ask(line, aggregation, start, end, step)
        truth = model(line, start, end, step)
        if age == "rolled_up":
            found, truth = summed_up(line, model, files, (start, end, step), found)
        bad = differences(found, truth)
        if bad:
            wrong.append(f"{line.service}: {len(bad)} of {len(found)}: {bad[:2]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("length", [10 * MINUTE, 6 * HOUR])
def test_an_interval_that_nobody_chose_shows_the_same_truth(
    files: Files, desks: Mapping[str, Desk], age: str, length: int
) -> None:
    wrong = []
    for line in [one for one in files.lines if one.kind == "counter" and one.period <= length / 8]:
        end = files.now // SECOND // HOUR * HOUR
        found = desks[age].answer(line, "rate", end - length, end, None)
        step = round(parse_duration(found.interval))
        assert step >= 0.95 * line.period
        bad = differences(desks[age].values(found), rate(line, end - length, end, step))
        wrong += [f"{line.service} by {found.interval}: {bad[:2]}"] if bad else []
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("age", ["recent", "half_sealed", "sealed"])
def test_the_legend_is_the_last_rate_or_level(files: Files, desks: Mapping[str, Desk], age: str) -> None:
    legend = desks[age].runner.performance().series
    newest = {(one.metric, one.attributes["service.name"]): one.value for one in legend}
    wrong = []
    for line in files.lines:
        if line.kind not in ("explicit", "exponential"):  # these show their newest percentile
            told, expected = newest.get((line.metric, line.service)), now(line)
            wrong += (
                []
                if told == pytest.approx(expected, rel=1e-9)
                else [f"{line.service}: {told} for {expected}"]
            )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("age", ["recent", "half_sealed", "sealed"])
def test_health_says_what_the_legend_says(files: Files, desks: Mapping[str, Desk], age: str) -> None:
    told = {one.service: one.request_rate for one in desks[age].runner.health().services}
    spans = [line for line in files.lines if line.kind == "spans"]
    assert {line.service: told[line.service] for line in spans} == pytest.approx(
        {line.service: now(line) for line in spans}, rel=1e-9
    )


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("length", [10 * MINUTE, 4 * HOUR])
def test_promql_says_what_prometheus_would_of_the_same_samples(
    files: Files, desks: Mapping[str, Desk], age: str, length: int
) -> None:
    """Of samples, drawn out to the ends of the window: docs/grafana.md says how that differs from a chart."""
    end = files.now // SECOND // MINUTE * MINUTE
    for line in files.lines:
        if line.kind == "counter" and files.now - line.start > 1.2 * length * SECOND:
            name = f"{line.metric.replace('.', '_')}_total"
            asked = f'increase({name}{{job="{line.service}"}}[{length}s])'
            (found,) = desks[age].runner.promql.instant(asked, end * 1000).series
            (_, value) = found[1][0]
            assert value == pytest.approx(history.prometheus_increase(line, end - length, end), rel=1e-9)


def test_promql_and_the_chart_differ_by_two_exports_at_most(files: Files) -> None:
    """The rule of docs/grafana.md."""
    end, length = files.now // SECOND // MINUTE * MINUTE, HOUR
    for line in files.lines:
        if line.kind == "counter" and files.now - line.start > 1.5 * length * SECOND:
            drawn = history.prometheus_increase(line, end - length, end) / length
            (spread,) = rate(line, end - length, end, 10**10).values()
            assert abs(drawn - spread) <= 2 * max(line.values) / length


@pytest.mark.parametrize("age", AGES)
def test_sql_adds_up_to_the_same(files: Files, desks: Mapping[str, Desk], age: str) -> None:
    start, end = (files.now // SECOND // MINUTE * MINUTE - offset for offset in (HOUR, 0))
    lines = [line for line in files.lines if line.kind in ("counter", "spans")]
    rows = desks[age].runner.sql(
        "SELECT metric_name, attributes->>'service.name', sum(value) FROM metrics"
        f" WHERE timestamp >= make_timestamp({start}000000) AND timestamp < make_timestamp({end}000000)"
        " GROUP BY ALL"
    )
    told = {(metric, service): value for metric, service, value in rows.rows}
    for line in lines:
        expected = sum(history.sums(line, start, end, 10**10).values())
        assert told[line.metric, line.service] == expected, line.service


def now(line: Line) -> float:
    """The newest rate of a sum, else the newest level."""
    if line.kind in ("level", "gauge"):
        return line.values[-1]
    return line.values[-1] / ((line.times[-1] - line.times[-2]) / SECOND)
