"""What a sender is told about private metrics depends on its request, the catalogue and the clock alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.guard.guarded import CATALOGUE, CUMULATIVE, DELTA, SECOND, START, Attributes, Private, metric

from blackhole.catalogue.load import load
from blackhole.guard.engine import Judgement
from blackhole.guard.reasons import Reason

VICTIM: Attributes = {"user.id": "alice", "kind": "a"}
HUGE = 1.7e308


def _exponential(name: str) -> Metric:
    made = Metric(name=name)
    made.exponential_histogram.aggregation_temporality = DELTA  # type: ignore[assignment]
    point = made.exponential_histogram.data_points.add(time_unix_nano=START, count=3, scale=2)
    point.positive.bucket_counts.extend([1, 2])
    return made


def probes() -> dict[str, list[Metric]]:
    """Requests of one who knows what the victim sends, and asks by them whether it was sent."""
    late = START - 40 * 24 * 3600 * SECOND
    secret = [metric("secret.count", [(VICTIM, value)]) for value in (1.0, -1.0, float("nan"), float("inf"))]
    return {
        "values of every sort": secret,
        "the victim's very series": [
            metric("secret.count", [(VICTIM, 5.0)], temporality=CUMULATIVE, start=START)
        ],
        "points that are too old": [metric("secret.count", [(VICTIM, 1.0)], time=late)],
        "points that are too new": [metric("secret.heat", [(VICTIM, 1.0)], time=START + 3600 * SECOND)],
        "levels that overflow": [
            metric("secret.level", [(VICTIM, HUGE), (VICTIM, HUGE)], time=lambda n: START + n)
        ],
        "a histogram without buckets and sum": [_bare("secret.time"), _bare("secret.delays")],
        "buckets that contradict": [_contradicting("secret.time"), _contradicting("secret.delays")],
        "an exponential histogram": [_exponential("secret.time"), _exponential("secret.delays")],
        "a series that nobody else has": [
            metric("shared.count", [({"user.id": "mallory", "kind": "b"}, 1.0)])
        ],
        "many units": [metric("secret.count", [(VICTIM, 1.0)], unit=f"{{u{n}}}") for n in range(30)],
        "many names": [
            metric(f"shared.named.{name}.count", [(VICTIM, 1.0)]) for name in ("x", "y", "z", "w")
        ],
        "another type": [
            _as_level("secret.events"),
            _as_level("shared.events"),
        ],
        "an open metric beside": [
            *secret,
            metric("open.count", [({"kind": "a"}, 1.0), ({"kind": "b"}, -1.0)]),
        ],
    }


def _bare(name: str) -> Metric:
    made = metric(name, [(VICTIM, 1.0)], temporality=CUMULATIVE, start=START - SECOND)
    made.histogram.data_points[0].ClearField("sum")
    return made


def _contradicting(name: str) -> Metric:
    made = metric(name, [(VICTIM, ([1.0, 2.0], [1, 2, 3]))])
    made.histogram.data_points[0].count = 5
    return made


def _as_level(name: str) -> Metric:
    made = metric(name, [(VICTIM, 1.0)])
    made.sum.is_monotonic = False
    return made


def nothing(_: Private) -> None:
    """Nobody sent anything."""


def the_same(private: Private) -> None:
    """The victim sent all of this before, and others did."""
    for metrics in probes().values():
        for one in metrics:
            private.send(one)


def much(private: Private) -> None:
    """Everything that is bounded is full."""
    private.send(metric("secret.level", [(VICTIM, -HUGE)]), metric("secret.level", [(VICTIM, HUGE)]))
    for name in (f"n{number}" for number in range(40)):
        private.send(metric(f"shared.named.{name}.count", [({"user.id": name}, 1.0)]))
        private.send(metric("secret.count", [({"user.id": name}, 1.0)], unit=f"{{{name}}}"))
    for block in range(21):
        users = [({"user.id": f"u{block * 10_000 + n}"}, 1.0) for n in range(10_000)]
        private.send(metric("secret.count", users))


def said(judged: Judgement) -> tuple[object, ...]:
    return (
        judged.verdict.rejected,
        judged.verdict.message,
        judged.accepted,
        judged.is_visible,
        judged.is_empty,
    )


def answers(directory: Path, before: Callable[[Private], None]) -> dict[str, list[tuple[object, ...]]]:
    directory.mkdir()
    private = Private(directory, max_values_per_key=3)
    before(private)
    told = {name: [said(private.send(*metrics))] for name, metrics in probes().items()}
    for name, metrics in probes().items():
        told[name] += [said(private.send(one)) for one in metrics]
    return told


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[object, ...]]]:
    return answers(tmp_path_factory.mktemp("alone") / "x", nothing)


@pytest.mark.parametrize("before", [the_same, much])
def test_the_same_request_is_answered_the_same_whatever_came_before(
    alone: dict[str, list[tuple[object, ...]]], tmp_path: Path, before: Callable[[Private], None]
) -> None:
    told = answers(tmp_path / "x", before)
    assert {name: answer for name, answer in told.items() if answer != alone[name]} == {}


def test_probes_are_answered_as_the_catalogue_says(alone: dict[str, list[tuple[object, ...]]]) -> None:
    """Both ways: some are refused and some are not, or the comparison would compare nothing."""
    refused = {name: answer[0][0] for name, answer in alone.items()}
    assert refused == {
        "values of every sort": 3,
        "the victim's very series": 0,
        "points that are too old": 1,
        "points that are too new": 1,
        "levels that overflow": 0,
        "a histogram without buckets and sum": 2,
        "buckets that contradict": 2,
        "an exponential histogram": 1,
        "a series that nobody else has": 0,
        "many units": 0,
        "many names": 0,
        "another type": 2,
        "an open metric beside": 4,
    }


def test_a_full_table_of_series_refuses_open_ones_by_their_own_number_alone(tmp_path: Path) -> None:
    private = Private(tmp_path, max_series=4)
    private.send(metric("shared.count", [({"user.id": f"u{n}"}, 1.0) for n in range(500)]))
    opened = [metric("open.count", [({"kind": f"{n}"}, 1.0)]) for n in range(6)]
    beside = metric("shared.count", [({"user.id": f"v{n}"}, 1.0) for n in range(500)])
    assert [private.send(beside, one).accepted for one in opened] == [1, 1, 1, 1, 0, 0]


def test_what_counts_by_event_takes_no_histogram_whose_buckets_follow_the_data(tmp_path: Path) -> None:
    private = Private(tmp_path)
    mean = metric("secret.delays", [({}, 500.0)])
    for one in (mean, _exponential("secret.delays")):
        judged = private.send(one)
        assert Reason.NO_FIXED_BUCKETS.words in judged.verdict.message
    assert private.send(metric("secret.time", [(VICTIM, 500.0)])).verdict.rejected == 0


def test_what_counts_by_event_takes_no_level(tmp_path: Path) -> None:
    """A level counts in every window that it lasts through."""
    judged = Private(tmp_path).send(_as_level("secret.events"), _as_level("secret.count"))
    assert judged.verdict.rejected == 1
    assert Reason.TYPE_MISMATCH.words in judged.verdict.message


def test_another_catalogue_does_not_make_private_series_count_against_open_ones(tmp_path: Path) -> None:
    private = Private(tmp_path, max_series=4)
    private.send(metric("shared.count", [({"user.id": f"u{n}"}, 1.0) for n in range(500)]))
    private.guard.recatalogue(private.catalogue)
    opened = [metric("open.count", [({"kind": f"{n}"}, 1.0)]) for n in range(6)]
    assert [private.send(one).accepted for one in opened] == [1, 1, 1, 1, 0, 0]


def test_a_metric_that_is_released_no_more_is_collected_as_the_catalogue_says_from_the_next_period_on(
    tmp_path: Path,
) -> None:
    private = Private(tmp_path)
    path = tmp_path / "other.yaml"
    path.write_text(CATALOGUE.replace("highly_sensitive", "sensitive"))
    private.send(metric("secret.count", [(VICTIM, 5.0)]))
    private.guard.recatalogue(load([path]))
    assert private.released("secret.count") == {"a": [5.0], "b": [0.0], "other": [0.0]}
    private.now = START + 3600 * SECOND
    private.take()
    private.send(metric("secret.count", [(VICTIM, 7.0)], time=private.now))
    private.now += (
        10 * SECOND
    )  # the window was closed early for the change, and the open one has the next name
    assert private.released("secret.count") == {"a": [7.0]}
