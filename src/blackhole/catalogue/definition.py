"""One catalogue entry, as checked data."""

import math
from collections.abc import Mapping
from datetime import date
from typing import Literal

import msgspec

from blackhole.model.series import MetricType, PrivacyLevel

SERVICE = "service.name"
OTHER = "other"

AGGREGATION_KEYS: Mapping[str, tuple[str, ...]] = {
    "by_type": ("type", "category", "region"),
    "by_region": ("region",),
    "by_time_window": (),
    "by_content_type": ("content_type", "content.type", "type", "category"),
    "by_operation_type": ("operation_type", "operation.type", "operation", "type"),
}


class PrivacyUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose contribution is bounded: the first of `keys` that is present names the unit."""

    name: str
    keys: tuple[str, ...] = ()


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric that may be collected. `name` is exact, `prefix.*`, or `*.suffix`.

    `keep`: the attributes that survive (None: those of `aggregation`). `values`: the declared values of a
    key. `first`: whether the first value of a cumulative stream is an increment or a baseline. `bounds`: what
    one privacy unit's sum in one group and window is clamped to. `buckets`: values that a window's sum goes
    to; for histograms the upper-inclusive boundaries that are kept.
    """

    name: str
    description: str
    type: MetricType
    unit: str
    privacy: Literal["public", "internal", "sensitive", "highly_sensitive"]
    purpose: str
    category: Literal["infrastructure", "p2p", "business"] = "infrastructure"
    review_after: date | None = None
    keep: tuple[str, ...] | None = None
    values: dict[str, tuple[str, ...]] = {}
    aggregation: str | None = None
    buckets: tuple[float, ...] | None = None
    bounds: tuple[float, float] | None = None
    privacy_unit: PrivacyUnit | Literal["event"] | None = None
    max_groups_per_unit: int = 1
    max_windows_per_unit: int | None = None
    max_events_per_unit: int | None = None
    noise: Literal["low", "medium", "high"] = "medium"
    release: Literal["windows", "running_total"] = "windows"
    same_events_ok: str | None = None
    first: Literal["counts", "baseline", "process"] = "counts"
    share: Literal["never", "dap"] = "never"

    @property
    def level(self) -> PrivacyLevel:
        return PrivacyLevel[self.privacy.upper()]

    @property
    def is_pattern(self) -> bool:
        return "*" in self.name

    @property
    def kept_keys(self) -> tuple[str, ...]:
        """The attributes that survive besides `service.name`; an unknown aggregation keeps nothing."""
        if self.keep is not None:
            return self.keep
        named = AGGREGATION_KEYS.get(self.aggregation or "")
        return () if named is None else (*named, *(key for key in self.values if key not in named))

    @property
    def released_keys(self) -> tuple[str, ...]:
        """The keys by which a highly sensitive metric is split: those whose values are declared."""
        keys = dict.fromkeys((*self.kept_keys, SERVICE))
        return tuple(key for key in keys if key in self.values)

    @property
    def cells(self) -> int:
        """Buckets that each of its groups has; 1 where it is no histogram."""
        return len(self.buckets or ()) + 1 if self.type is MetricType.HISTOGRAM else 1

    @property
    def declared_groups(self) -> int:
        """How many groups a window of it has, each declared value and `other`, bucket by bucket.

        `service.name` is among the keys where its values are declared: only then it survives a release.
        """
        return math.prod(len({*self.values[key], OTHER}) for key in self.released_keys) * self.cells
