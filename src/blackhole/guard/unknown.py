"""Remembers metrics that no entry admits, with type and unit, so that the owner can allow them by name."""

from collections.abc import Iterator, Mapping

from blackhole.catalogue.allow import ObservedMetric
from blackhole.model.series import MetricType
from blackhole.privacy.scrub import clean_text, names_somebody

MOST = 500
LONGEST = 255


class UnknownMetrics(Mapping[str, ObservedMetric]):
    """Knows at most 500 names, none of which looks like an identity. The first unit counts."""

    def __init__(self) -> None:
        self._sent: dict[str, ObservedMetric] = {}

    def note(self, name: str, unit: str, kind: MetricType) -> None:
        if name in self._sent or len(self._sent) >= MOST or len(name) > LONGEST or names_somebody(name):
            return
        # A summary is stored as the entry's histogram.
        kind = MetricType.HISTOGRAM if kind is MetricType.SUMMARY else kind
        self._sent[name] = ObservedMetric(kind, clean_text(unit))

    def clear(self) -> None:
        """Forgets all, since the catalogue has changed. What is still unknown will come again."""
        self._sent.clear()

    def __getitem__(self, name: str) -> ObservedMetric:
        return self._sent[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sent)

    def __len__(self) -> int:
        return len(self._sent)
