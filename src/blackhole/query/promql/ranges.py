"""Turns selectors and subqueries into samples: the newest of each step, or those of its window."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import promql_parser as syntax

from blackhole.errors import ExpressionError
from blackhole.query.promql.matching import Matcher, Regexes, matchers_of
from blackhole.query.promql.privacy import Privacy
from blackhole.query.promql.runs import Runs
from blackhole.query.promql.selection import Selection, select
from blackhole.query.promql.summed import Summed, tiling_of
from blackhole.query.promql.syntax import milliseconds
from blackhole.query.promql.values import Allowance, Grid, Run, Series, Vector, key_of, merged
from blackhole.query.promql.windows import Windows, newest, windows_of
from blackhole.query.samples import Samples
from blackhole.records import PrivacyLevel
from blackhole.store.reader import Reader

LOOKBACK = 300_000
# The resolution of a subquery that names none: Prometheus' default evaluation interval.
RESOLUTION = 60_000

Inner = Callable[[syntax.Expr, Grid], Vector]


@dataclass(frozen=True, slots=True)
class Range:
    """Series whose windows of `length` end at `ends`; milliseconds."""

    runs: Iterator[Run]
    ends: Sequence[int]
    length: int


class Ranges:
    """Reads from one snapshot. `span`: start and end of the whole question, milliseconds, for @."""

    def __init__(self, reader: Reader, allowance: Allowance, privacy: Privacy, span: tuple[int, int]) -> None:
        self.privacy = privacy
        self.regexes = Regexes(reader, lambda: allowance.left)
        self._reader = reader
        self._allowance = allowance
        samples = Samples(reader, lambda: allowance.left)
        self._runs = Runs(samples, self.regexes)
        self._summed = Summed(reader, allowance, samples, self._runs)
        self._span = span
        self._selections: dict[tuple[Matcher, ...], Selection] = {}

    def instant(self, selector: syntax.VectorSelector, grid: Grid, *, stamps: bool = False) -> Vector:
        """The newest sample of the last five minutes at each step. `stamps`: its time in seconds instead."""
        selection = self._select(selector)
        self.privacy.check(selection, [_step(grid)])
        self._allowance.take(len(selection.sources) * grid.count)
        ends = self._ends(selector, grid)
        answers: Vector = []
        for lookback, part in self._by_lookback(selection):
            for run in self._runs.read(part, min(ends[0], ends[-1]) - lookback, ends[-1]):
                self._allowance.breathe()
                values = newest(run, ends, lookback, stamps=stamps)
                if any(value is not None for value in values):
                    answers.append(Series(run.labels, values))
        return merged(sorted(answers, key=lambda series: key_of(series.labels)))

    def summed(self, name: str, expr: syntax.MatrixSelector, grid: Grid) -> tuple[Vector, Range]:
        """What can be had of a range function without samples, and the rest as windows of samples."""
        selector, length = expr.vector_selector, milliseconds(expr.range)
        selection = self._checked(selector, grid, length)
        ends = self._ends(selector, grid)
        answers: Vector = []
        tiling = None if isinstance(ends, list) else tiling_of(ends, grid.step, length)
        if tiling is not None:
            answers, selection = self._summed.evaluate(name, selection, *tiling)
        return answers, Range(self._runs.read(selection, ends[0] - length, ends[-1]), ends, length)

    def over(self, expr: syntax.Expr, grid: Grid, inner: Inner) -> Range:
        """The windows of a range selector or a subquery; `inner` evaluates what a subquery is about."""
        match expr:
            case syntax.ParenExpr():
                return self.over(expr.expr, grid, inner)
            case syntax.MatrixSelector():
                return self._selected(expr, grid)
            case syntax.SubqueryExpr():
                return self._subquery(expr, grid, inner)
        raise ExpressionError("the expression is no range vector")

    def values(self, found: Range, grid: Grid, cost: int) -> Iterator[tuple[Run, Windows]]:
        """Each series with its windows. `cost`: nanoseconds that a function needs for a sample.

        Raises EvaluationError before a function would run for too long.
        """
        for run in found.runs:
            windows = windows_of(run, found.ends, found.length, grid.times)
            self._allowance.take(grid.count)
            self._allowance.spend(windows.samples * cost)
            yield run, windows

    def _selected(self, expr: syntax.MatrixSelector, grid: Grid) -> Range:
        selector, length = expr.vector_selector, milliseconds(expr.range)
        selection = self._checked(selector, grid, length)
        ends = self._ends(selector, grid)
        return Range(self._runs.read(selection, ends[0] - length, ends[-1]), ends, length)

    def _checked(self, selector: syntax.VectorSelector, grid: Grid, length: int) -> Selection:
        selection = self._select(selector)
        self.privacy.check(selection, [_step(grid), length])
        return selection

    def _subquery(self, expr: syntax.SubqueryExpr, grid: Grid, inner: Inner) -> Range:
        length = milliseconds(expr.range)
        step = milliseconds(expr.step) or RESOLUTION
        ends = self._ends(expr, grid)
        start = step * ((ends[0] - length) // step) + step
        count = (ends[-1] - start) // step + 1
        if count <= 0:
            return Range(iter(()), ends, length)
        self._allowance.take(count)
        vector = inner(expr.expr, Grid(start, step, count, resolution=step))
        return Range(_runs_of(vector, range(start, start + step * count, step)), ends, length)

    def _ends(self, expr: syntax.VectorSelector | syntax.SubqueryExpr, grid: Grid) -> Sequence[int]:
        offset = milliseconds(expr.offset)
        at = self._at(expr.at)
        if at is None:
            return range(grid.start - offset, grid.end - offset + 1, grid.step)
        return [at - offset] * grid.count

    def _at(self, at: syntax.AtModifier | None) -> int | None:
        if at is None:
            return None
        if at.type == syntax.AtModifierType.At:
            try:
                moment = at.at
            except (ValueError, OverflowError):
                raise ExpressionError("`@` takes times until the year 9999 only") from None
            return None if moment is None else round(moment.timestamp() * 1000)
        return self._span[0 if at.type == syntax.AtModifierType.Start else 1]

    def _select(self, selector: syntax.VectorSelector) -> Selection:
        matchers = tuple(matchers_of(selector))
        if matchers not in self._selections:
            self._selections[matchers] = select(self._reader, matchers, self.regexes)
        return self._selections[matchers]

    def _by_lookback(self, selection: Selection) -> Iterator[tuple[int, Selection]]:
        for level in PrivacyLevel:
            sources = [source for source in selection.sources if source.family.level is level]
            if sources:
                lookback = self.privacy.lookback(level, LOOKBACK)
                yield lookback, Selection(sources, selection.bucket_matchers)


def _step(grid: Grid) -> int:
    """The distance of the steps; 0 for a single one that nobody asked a distance of."""
    return grid.resolution or (grid.step if grid.count > 1 else 0)


def _runs_of(vector: Vector, times: range) -> Iterator[Run]:
    for series in vector:
        known = [(time, value) for time, value in zip(times, series.values, strict=True) if value is not None]
        if known:
            yield Run(
                series.labels,
                array("q", (time for time, _ in known)),
                array("d", (value for _, value in known)),
            )
