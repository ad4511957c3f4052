"""Turns functions of selectors and subqueries into values: of each step's newest sample, or its window."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import promql_parser as syntax

from blackhole.errors import ExpressionError
from blackhole.model.series import PrivacyLevel
from blackhole.promql.aggregates import Grouping
from blackhole.promql.discovery import SearchRange
from blackhole.promql.matching import Matcher, matchers_of
from blackhole.promql.privacy import PromqlPrivacy
from blackhole.promql.selection import Selection, select
from blackhole.promql.syntax import milliseconds
from blackhole.promql.values import Allowance, Grid, Run, Vector, VectorSeries, key_of, merged, nameless
from blackhole.promql.windowed import Windowed, WindowFunction
from blackhole.store.read.reader import Reader
from blackhole.store.read.regexes import Regexes

LOOKBACK = 300_000
# The resolution of a subquery that names none: Prometheus' default evaluation interval.
RESOLUTION = 60_000

Inner = Callable[[syntax.Expr, Grid], Vector]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of ranges, as the core knows it; `numbers`: of each step what it takes beside the range."""

    name: str
    numbers: Sequence[tuple[float, float]] = ()

    @property
    def keeps_name(self) -> bool:
        return self.name in {"last_over_time", "first_over_time"}


class Ranges:
    """Reads from one snapshot. `span`: of the whole query, for @."""

    def __init__(
        self, reader: Reader, allowance: Allowance, privacy: PromqlPrivacy, span: SearchRange
    ) -> None:
        self.privacy = privacy
        self.regexes = Regexes(reader, lambda: allowance.left)
        self._reader = reader
        self._allowance = allowance
        self._windowed = Windowed(reader, allowance, self.regexes)
        self._span = span
        self._selections: dict[tuple[Matcher, ...], Selection] = {}

    def instant(self, selector: syntax.VectorSelector, grid: Grid, *, stamps: bool = False) -> Vector:
        """The newest sample of the last five minutes at each step. `stamps`: its time in seconds instead."""
        selection = self._select(selector)
        self.privacy.check(selection, [_step(grid)])
        found: Vector = []
        for lookback, part in self._by_lookback(selection):
            function = "ts_of_last_over_time" if stamps else "last_over_time"
            asked = WindowFunction(function, self._ends(selector, grid), lookback, grid.times)
            found += self._windowed.series(asked, part)
        return merged(sorted(found, key=lambda series: key_of(series.labels)))

    def windows(
        self, function: Function, expr: syntax.Expr, grid: Grid, inner: Inner
    ) -> Iterator[VectorSeries]:
        """A function of a range selector or a subquery; `inner` evaluates what a subquery is about."""
        match expr:
            case syntax.ParenExpr():
                yield from self.windows(function, expr.expr, grid, inner)
            case syntax.MatrixSelector():
                asked, selection = self._selected(function, expr, grid)
                yield from self._windowed.series(asked, selection)
            case syntax.SubqueryExpr():
                asked = self._asked(function, self._ends(expr, grid), milliseconds(expr.range), grid)
                yield from self._windowed.given(asked, self._subquery(expr, asked, inner))
            case _:
                raise ExpressionError("the expression is no range vector")

    def samples(self, expr: syntax.Expr, grid: Grid, inner: Inner) -> Iterator[Run]:
        """The samples of a range vector themselves, of one step."""
        match expr:
            case syntax.ParenExpr():
                yield from self.samples(expr.expr, grid, inner)
            case syntax.MatrixSelector():
                asked, selection = self._selected(Function("samples"), expr, grid)
                yield from self._windowed.samples(asked, selection)
            case syntax.SubqueryExpr():
                length = milliseconds(expr.range)
                asked = self._asked(Function("samples"), self._ends(expr, grid), length, grid)
                for run in self._subquery(expr, asked, inner):
                    first, last = (bisect_right(run.times, end) for end in (asked.after, asked.until))
                    if last > first:
                        yield Run(run.labels, run.times[first:last], run.values[first:last])
            case _:
                raise ExpressionError("the expression is no range vector")

    def grouped(
        self, operator: str, grouping: Grouping, function: Function, expr: syntax.Expr, grid: Grid
    ) -> Vector | None:
        """An aggregation of a function of a selector, at once; None where each series must be seen."""
        match expr:
            case syntax.VectorSelector():
                selection = self._select(expr)
                self.privacy.check(selection, [_step(grid)])
                asked = self._asked(function, self._ends(expr, grid), LOOKBACK, grid)
            case syntax.MatrixSelector():
                asked, selection = self._selected(function, expr, grid)
            case _:
                return None
        if selection.guarded or not _distinct(selection, function):
            return None
        return self._windowed.grouped(asked, selection, operator, grouping)

    def _selected(
        self, function: Function, expr: syntax.MatrixSelector, grid: Grid
    ) -> tuple[WindowFunction, Selection]:
        selector, length = expr.vector_selector, milliseconds(expr.range)
        selection = self._checked(selector, grid, length)
        return self._asked(function, self._ends(selector, grid), length, grid), selection

    def _asked(self, function: Function, ends: Sequence[int], length: int, grid: Grid) -> WindowFunction:
        return WindowFunction(function.name, ends, length, grid.times, function.numbers)

    def _checked(self, selector: syntax.VectorSelector, grid: Grid, length: int) -> Selection:
        selection = self._select(selector)
        self.privacy.check(selection, [_step(grid), length])
        return selection

    def _subquery(self, expr: syntax.SubqueryExpr, asked: WindowFunction, inner: Inner) -> Iterator[Run]:
        step = milliseconds(expr.step) or RESOLUTION
        start = step * (asked.after // step) + step
        count = (asked.until - start) // step + 1
        if count <= 0:
            return iter(())
        self._allowance.take(count)
        vector = inner(expr.expr, Grid(start, step, count, resolution=step))
        return _runs_of(vector, range(start, start + step * count, step))

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
        return self._span.start if at.type == syntax.AtModifierType.Start else self._span.end

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


def _distinct(selection: Selection, function: Function) -> bool:
    """Whether no two series have the same labels once the function has dropped their names."""
    keys = {
        key_of(source.labels if function.keeps_name else nameless(source.labels))
        for source in selection.sources
    }
    return len(keys) == len(selection.sources)


def _step(grid: Grid) -> int:
    """The distance of the steps; 0 for a single one that nobody asked a distance of."""
    return grid.resolution or (grid.step if grid.count > 1 else 0)


def _runs_of(vector: Vector, times: range) -> Iterator[Run]:
    for series in vector:
        known = [(time, value) for time, value in zip(times, series.values, strict=True) if value is not None]
        if known:
            yield Run(
                series.labels,
                [time for time, _ in known],
                [value for _, value in known],
            )
