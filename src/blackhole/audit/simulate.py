"""Turns lines into many independent releases of one metric, as the service would make them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from blackhole.audit.guard_path import Bench, Release
from blackhole.audit.lines import AuditLine
from blackhole.catalogue.definition import Definition
from blackhole.config import Config, Duration
from blackhole.model.ledger import Receipt
from blackhole.model.series import MetricType

_encode = msgspec.json.Encoder().encode


def simulate(
    definition: Definition,
    config: Config,
    lines: Sequence[AuditLine],
    trials: int,
    write: Callable[[bytes], object],
) -> Receipt:
    """Writes one line a trial and value, and returns the receipt that each release has.

    The whole budget of `config` is spent on one release of this one metric. Raises UsageError for lines that
    the guard refuses.
    """
    one_release = msgspec.structs.replace(
        config,
        budget_period=Duration(config.release_window),
        differential_privacy=True,
    )
    bench = Bench(definition, one_release)
    for trial, (release,) in enumerate(bench.releases([lines], trials)):
        write(b"".join(_encode(line) + b"\n" for line in _lines(definition, trial, release)))
    return bench.receipt


def _lines(definition: Definition, trial: int, release: Release) -> Iterator[dict[str, Any]]:
    for group, values in release:
        if definition.type is MetricType.GAUGE:
            total, count = values
            mean = total / count if count > 0 else None
            yield {"trial": trial, "group": group, "value": mean, "sum": total, "count": count}
        elif definition.type is MetricType.HISTOGRAM:
            bounds = [*(f"{bound:g}" for bound in definition.buckets or ()), "+Inf"]
            for bound, value in zip(bounds, values, strict=True):
                yield {"trial": trial, "group": {**group, "le": bound}, "value": value}
        else:
            yield {"trial": trial, "group": group, "value": values[0]}
