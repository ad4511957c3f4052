"""Turns the noisy lists of highly sensitive metrics into samples: buckets of histograms, means of gauges."""

from collections.abc import Iterator, Sequence

from blackhole.promql.selection import SeriesSource
from blackhole.store.read.samples import Noisy, Samples
from blackhole.store.read.slices import cells_below


class Released:
    """Reads the lists once for all series of a selection."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def lists(self, ids: Sequence[int], after: int, until: int) -> dict[int, list[Noisy]]:
        found: dict[int, list[Noisy]] = {}
        for noisy in self._samples.releases(ids, after, until):
            found.setdefault(noisy.series, []).append(noisy)
        return found

    def samples(
        self, source: SeriesSource, edge: float, known: dict[int, list[Noisy]]
    ) -> tuple[list[int], list[float]]:
        """Of one series, each time once; `edge`: of a bucket, up to where it counts."""
        values: dict[int, float] = {}
        for number in source.ids:
            for noisy in known.get(number, ()):
                values.update(_values(source.family.part, edge, noisy))
        times = sorted(values)
        return times, [values[time] for time in times]


def _values(part: str, edge: float, noisy: Noisy) -> Iterator[tuple[int, float]]:
    """A gauge is released as a sum and a count; a histogram has no sum."""
    for time, cells in zip(noisy.times, noisy.cells, strict=True):
        if part == "value":
            if not noisy.bounds and len(cells) == 2 and cells[1] > 0:  # noqa: PLR2004 - a sum and a count
                yield time, cells[0] / cells[1]
        elif part == "count":
            yield time, sum(cells)
        elif part == "bucket":
            yield time, sum(cells[: cells_below(noisy.bounds, edge)])
