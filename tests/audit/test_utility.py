"""With noise the numbers are still of use: as accurate as announced, through the service's own guard."""

import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean
from typing import Any

import msgspec
import pytest

from blackhole.audit.guard_path import Bench
from blackhole.audit.lines import AuditLine
from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.config import Config, Duration
from blackhole.model.ledger import Receipt
from blackhole.model.series import MetricType
from blackhole.model.times import TimeRange
from blackhole.privacy.plan import plan

USERS = 1000
WINDOWS = 24
KINDS = ("upload", "download", "delete", "other")
DAY_TOTAL = USERS * WINDOWS


def entry(name: str = "tried.operations", **keys: Any) -> Definition:
    settings: dict[str, Any] = {
        "description": "d",
        "type": MetricType.COUNTER,
        "unit": "{operation}",
        "privacy": "highly_sensitive",
        "purpose": "p",
        "keep": ("type",),
        "values": {"type": KINDS[:3]},
        "bounds": (0.0, 1.0),
        "privacy_unit": PrivacyUnit("user", ("user.id",)),
        "max_groups_per_unit": 2,
    }
    return Definition(name=name, **{**settings, **keys})


def everybody(window: int) -> list[AuditLine]:
    """A thousand users, others in each window, each with one operation."""
    return [
        AuditLine(1.0, {"type": KINDS[user % 4], "user.id": f"user {user} of window {window}"})
        for user in range(USERS)
    ]


class Days:
    """Some days of one metric: the errors of each released value, and of each day's total."""

    def __init__(self, definition: Definition, metrics: int, days: int, config: Config) -> None:
        others = [msgspec.structs.replace(definition, name=f"tried.other{i}") for i in range(metrics - 1)]
        bench = Bench(definition, config, others)
        windows = [everybody(window) for window in range(WINDOWS)]
        found = [
            [values[0] - USERS / len(KINDS) for window in day for _, values in window]
            for day in bench.releases(windows, days)
        ]
        self.receipt: Receipt = bench.receipt
        self.errors = [error for day in found for error in day]
        self.totals = [sum(day) for day in found]
        planned = plan([definition, *others], config, TimeRange(0, 86400 * 10**9))
        self.terms = planned.metrics[0].terms

    @property
    def measured(self) -> float:
        """Half the width of the interval that holds a day's total 95 times of 100, from all errors."""
        deviation = math.sqrt(fmean(error * error for error in self.errors))
        return 1.96 * deviation * math.sqrt(len(KINDS) * WINDOWS) / DAY_TOTAL

    @property
    def announced(self) -> float:
        scales = [self.terms.scale] * (len(KINDS) * WINDOWS)
        return self.terms.mechanism.half_width(scales) / DAY_TOTAL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metrics", "keys", "promised"),
    [(1, {}, 0.04), (8, {}, 0.10), (8, {"max_windows_per_unit": 6}, 0.05)],
    ids=["one metric", "eight equal ones", "eight, each user in six windows"],
)
def test_a_days_total_is_as_accurate_as_promised_and_as_announced(
    metrics: int, keys: dict[str, Any], promised: float
) -> None:
    days = Days(entry(**keys), metrics, 20, Config(privacy_budget=1.0, privacy_delta=1e-9))
    assert days.measured <= promised
    assert days.measured == pytest.approx(days.announced, rel=0.05)
    within = fmean(abs(total) <= promised * DAY_TOTAL for total in days.totals)
    assert within >= 0.85
    assert days.receipt.scale == days.terms.scale


@pytest.mark.slow
@pytest.mark.parametrize("delta", [1e-9, 0.0])
def test_intervals_hold_the_true_value_95_times_of_100(delta: float) -> None:
    days = Days(entry(), 1, 12, Config(privacy_budget=1.0, privacy_delta=delta))
    covered = fmean(abs(error) <= days.receipt.interval_95 for error in days.errors)
    assert len(days.errors) == 12 * WINDOWS * 4
    assert covered >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / len(days.errors))


@pytest.mark.slow
def test_a_running_total_is_five_times_as_accurate_as_the_sum_of_windows() -> None:
    """Root mean square over a thousand windows; sixteen groups, so that chance does not decide."""
    values = tuple(f"kind {i}" for i in range(15))
    made = entry(privacy_unit="event", values={"type": values})
    fresh, correlated = totals(made), totals(msgspec.structs.replace(made, release="running_total"))
    assert math.sqrt(fresh / correlated) > 5


def totals(definition: Definition) -> float:
    """The mean squared error of the totals up to each window, over all groups and some trials."""
    windows: Sequence[Sequence[AuditLine]] = [[AuditLine(3.0, {"type": "kind 0"})]] * 1000
    config = Config(release_window=Duration(60), budget_period=Duration(60_000))
    squares: list[float] = []
    for trial in Bench(definition, config).releases(windows, 4):
        exact = [3.0] + [0.0] * 15
        columns = [[window[group][1][0] - exact[group] for window in trial] for group in range(16)]
        squares += [error * error for column in columns for error in accumulate(column)]
    return fmean(squares)
