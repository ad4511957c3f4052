"""What no entry covers is remembered by name, type and unit; identities are not, and never too many names."""

from blackhole.guard.unknown import MOST, UnknownMetrics
from blackhole.model.series import MetricType

PEER = "12D3KooWGRUVhXFBHEGgiPDYGmVeyuZL1tQwWjKBGLFiDYwHLQfM"


def test_the_first_way_in_which_a_metric_came_is_remembered() -> None:
    unknown = UnknownMetrics()
    unknown.note("shop.sales", "{sale}", MetricType.COUNTER)
    unknown.note("shop.sales", "s", MetricType.GAUGE)
    assert unknown["shop.sales"] == (MetricType.COUNTER, "{sale}")


def test_a_summary_is_remembered_as_the_type_that_an_entry_gives_it() -> None:
    unknown = UnknownMetrics()
    unknown.note("shop.time", "ms", MetricType.SUMMARY)
    assert unknown["shop.time"].type is MetricType.HISTOGRAM


def test_no_identity_is_remembered() -> None:
    unknown = UnknownMetrics()
    unknown.note(f"shop.{PEER}", "1", MetricType.COUNTER)
    unknown.note("a" * 256, "1", MetricType.COUNTER)
    unknown.note("shop.sales", PEER, MetricType.COUNTER)
    assert dict(unknown) == {"shop.sales": (MetricType.COUNTER, "redacted")}
    assert PEER not in repr(unknown)


def test_there_are_never_too_many() -> None:
    unknown = UnknownMetrics()
    for number in range(MOST + 10):
        unknown.note(f"m{number}", "1", MetricType.COUNTER)
    assert len(unknown) == MOST
