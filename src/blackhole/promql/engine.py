"""Answers the questions of Prometheus' HTTP API, from one snapshot and within limits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import promql_parser as tree

from blackhole.errors import (
    EvaluationError,
    EvaluationTimeoutError,
    ExpressionError,
    PrivacyQueryError,
    QueryError,
)
from blackhole.model.series import PrivacyLevel
from blackhole.model.written_times import shown_until
from blackhole.promql import syntax
from blackhole.promql.discovery import Discovery, SearchRange, metadata
from blackhole.promql.evaluate import Evaluator
from blackhole.promql.names import Labels
from blackhole.promql.privacy import PromqlPrivacy
from blackhole.promql.ranges import Ranges
from blackhole.promql.tree import text_of, type_of
from blackhole.promql.values import ANY_TIME, TIMEOUT_S, Allowance, Grid, Vector, key_of
from blackhole.store.database import Database
from blackhole.store.read.reader import Reader

# What Prometheus answers, and Grafana asks for: one point more than there are steps.
MAX_STEPS = 11_000
MAX_POINTS_IN_ALL = 500_000

EvaluatedPoint = tuple[float, float]
Found = list[tuple[Labels, list[EvaluatedPoint]]]


@dataclass(frozen=True, slots=True)
class Result:
    """`kind`: scalar, string, vector or matrix; points are (Unix seconds, value); `text` is a string's."""

    kind: str
    series: Found
    text: str = ""


class Engine:
    """Synchronous and thread-safe.

    `windows`: seconds of the window of each guarded level; `help_of`: describes a metric; `now_ns`: without
    it nothing that is stored is of the future.

    Every method raises ExpressionError, EvaluationError, EvaluationTimeoutError or PrivacyQueryError.
    """

    def __init__(
        self,
        database: Database,
        windows: Mapping[PrivacyLevel, float],
        *,
        help_of: Callable[[str], str] = lambda _: "",
        seconds: float = TIMEOUT_S,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self._now_ns = now_ns
        self._help_of = help_of
        self._database = database
        self._windows = windows
        self._seconds = seconds

    def instant(self, query: str, time: int) -> Result:
        """The expression at one time, milliseconds."""
        expr = syntax.parse(query)
        kind, moment = type_of(expr), time / 1000
        if kind == "string":
            return Result(kind, [({}, [(moment, 0.0)])], text_of(expr))
        grid = Grid(time, 1, 1)
        with self._evaluator(SearchRange(time, time)) as (evaluator, ranges):
            if kind == "scalar":
                return Result(kind, [({}, [(moment, evaluator.scalar(expr, grid)[0])])])
            if kind == "matrix":
                samples = list(_samples(expr, grid, evaluator, ranges))
                return Result(kind, sorted(samples, key=lambda found: key_of(found[0])))
            found = _points(evaluator.vector(expr, grid), grid)
            return Result("vector", found)

    def range(self, query: str, start: int, end: int, step: int) -> Result:
        """The expression at every step from `start` to `end`, milliseconds."""
        expr = syntax.parse(query)
        if end < start:
            raise ExpressionError("end timestamp must not be before start time")
        count = (end - start) // step + 1
        if count > MAX_STEPS + 1:
            raise ExpressionError(
                f"exceeded maximum resolution of {MAX_STEPS:,} points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        kind = type_of(expr)
        if kind not in {"scalar", "vector"}:
            raise ExpressionError(
                f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            )
        grid = Grid(start, step, count)
        with self._evaluator(SearchRange(start, end)) as (evaluator, _):
            if kind == "scalar":
                values = evaluator.scalar(expr, grid)
                return Result(
                    "matrix", [({}, [(t / 1000, v) for t, v in zip(grid.times, values, strict=True)])]
                )
            vector = evaluator.vector(expr, grid)
            return Result("matrix", sorted(_points(vector, grid), key=lambda found: key_of(found[0])))

    def series(self, selectors: Sequence[str], span: SearchRange | None = None) -> list[Labels]:
        """The labels of all series that match any of `selectors`."""
        with self._reading() as (reader, allowance):
            return Discovery(reader, allowance).series(selectors, span)

    def label_names(self, selectors: Sequence[str], span: SearchRange | None = None) -> list[str]:
        """Of the series that match any of `selectors`, or of all."""
        with self._reading() as (reader, allowance):
            return Discovery(reader, allowance).label_names(selectors, span)

    def label_values(self, name: str, selectors: Sequence[str], span: SearchRange | None = None) -> list[str]:
        """Of one label, as `label_names`."""
        with self._reading() as (reader, allowance):
            return Discovery(reader, allowance).label_values(name, selectors, span)

    def metadata(self) -> dict[str, list[dict[str, str]]]:
        """Type and description of every metric by its name."""
        with self._reading() as (reader, _):
            return metadata(reader, self._help_of)

    @contextmanager
    def _evaluator(self, span: SearchRange) -> Iterator[tuple[Evaluator, Ranges]]:
        with self._reading() as (reader, allowance):
            ranges = Ranges(reader, allowance, PromqlPrivacy(self._windows), span)
            yield Evaluator(ranges), ranges

    @contextmanager
    def _reading(self) -> Iterator[tuple[Reader, Allowance]]:
        """A snapshot, and what may be used of it; what goes wrong there becomes an error of PromQL."""
        newest = ANY_TIME if self._now_ns is None else shown_until(self._now_ns()) // 10**6
        allowance = Allowance(self._seconds, newest=newest)
        try:
            with self._database.reader() as reader:
                yield reader, allowance
        except (ExpressionError, EvaluationError, EvaluationTimeoutError, PrivacyQueryError):
            raise
        except QueryError as error:
            _ = allowance.left
            raise EvaluationError(str(error)) from None


def _points(vector: Vector, grid: Grid) -> Found:
    """Gives up the values of `vector`, so that few are held twice. Raises EvaluationError for too many."""
    found: Found = []
    times = [time / 1000 for time in grid.times]
    total = 0
    for series in vector:
        points = [
            (time, value) for time, value in zip(times, series.values, strict=True) if value is not None
        ]
        series.values = []
        total += len(points)
        if total > MAX_POINTS_IN_ALL:
            raise EvaluationError(
                f"more than {MAX_POINTS_IN_ALL:,} points in all: ask for a longer step or fewer series"
            )
        if points:
            found.append((series.labels, points))
    return found


def _samples(
    expr: tree.Expr, grid: Grid, evaluator: Evaluator, ranges: Ranges
) -> Iterator[tuple[Labels, list[EvaluatedPoint]]]:
    """The samples of a range vector themselves."""
    for run in ranges.samples(expr, grid, evaluator.vector):
        yield run.labels, [(time / 1000, value) for time, value in zip(run.times, run.values, strict=True)]
