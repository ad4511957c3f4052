"""Why points are refused: each reason in words, with what to do about it."""

from enum import IntEnum

from blackhole import _core


class Reason(IntEnum):
    """Below 100: found by the core. From 100: decided by the guard."""

    SERIES_LIMIT = _core.SERIES_LIMIT
    METRIC_SERIES_LIMIT = _core.METRIC_SERIES_LIMIT
    TOO_OLD = _core.TOO_OLD
    TOO_NEW = _core.TOO_NEW
    MALFORMED_POINT = _core.MALFORMED_POINT
    NO_TEMPORALITY = _core.NO_TEMPORALITY
    EMPTY_METRIC = _core.EMPTY_METRIC
    NO_FIXED_BUCKETS = _core.NO_FIXED_BUCKETS
    NOT_TEXT = _core.NOT_TEXT
    NOT_IN_CATALOGUE = 100
    TYPE_MISMATCH = 101
    NEXT_PERIOD = 102
    UNSUITABLE_NAME = 103
    TOO_MANY_NAMES = 104
    TOO_MANY_UNITS = 105

    @property
    def words(self) -> str:
        return _WORDS[self][0]

    @property
    def remedy(self) -> str:
        return _WORDS[self][1]


# Reasons that an entry with exactly this name and type would remove.
ALLOWED_BY_NAME = frozenset({Reason.NOT_IN_CATALOGUE, Reason.TYPE_MISMATCH, Reason.TOO_MANY_NAMES})

_WORDS = {
    Reason.SERIES_LIMIT: (
        "the service holds as many series as it may",
        "send fewer attribute combinations, or raise max_series",
    ),
    Reason.METRIC_SERIES_LIMIT: (
        "this metric has as many series as it may",
        "drop high-cardinality attributes at the source, or raise max_series_per_metric",
    ),
    Reason.TOO_OLD: ("older than the retention period", "check the sender's clock"),
    Reason.TOO_NEW: ("more than 10 minutes ahead of this clock", "check the sender's clock"),
    Reason.MALFORMED_POINT: ("a point is malformed", "check it against the OTLP data model"),
    Reason.NO_TEMPORALITY: (
        "aggregation temporality is unspecified",
        "send delta or cumulative temporality",
    ),
    Reason.EMPTY_METRIC: ("a metric has no name or no data", "send a name and data points"),
    Reason.NO_FIXED_BUCKETS: (
        "one event more may move others to other buckets, and this metric counts by event",
        "send a histogram with explicit buckets, or name the keys of a privacy unit in the catalogue",
    ),
    Reason.NOT_TEXT: ("its name, unit or description is not UTF-8", "send text as UTF-8"),
    Reason.NOT_IN_CATALOGUE: (
        "not in the catalogue",
        "add an entry (`blackhole catalogue allow`, docs/catalogue.md), or stop sending it",
    ),
    Reason.TYPE_MISMATCH: (
        "the catalogue has another type for it",
        "send the type that `blackhole catalogue show` names, or take this one (`blackhole catalogue allow`)",
    ),
    Reason.NEXT_PERIOD: (
        "highly sensitive, and new in the catalogue since the budget period began",
        "nothing to do: it is collected from the next budget period on (`blackhole privacy budget`)",
    ),
    Reason.UNSUITABLE_NAME: (
        "the name holds what looks like an identity",
        "put identities nowhere in metric names",
    ),
    Reason.TOO_MANY_NAMES: (
        "the catalogue's pattern has matched as many names as it may",
        "name the metric in a catalogue file of your own, or raise max_values_per_key",
    ),
    Reason.TOO_MANY_UNITS: (
        "it came in more units than anybody means",
        "send the unit that `blackhole catalogue show` names",
    ),
}
