"""Turns the attributes of a raw series into the few that its output series keeps."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from blackhole.catalogue.definition import OTHER, SERVICE, Definition
from blackhole.config import Config
from blackhole.model.series import KeptAttributes, PrivacyLevel, Scalar
from blackhole.privacy.scrub import clean_text, clean_value

REGION = "region"


_encode = msgspec.json.Encoder(order="sorted").encode


def canonical(attributes: Mapping[str, Scalar]) -> str:
    """Canonical JSON: sorted keys, no spaces."""
    return _encode(attributes).decode()


class Reducer:
    """Applies allow-lists, declared values, region populations, the cap on values, and the scrubber."""

    def __init__(self, config: Config) -> None:
        self._cap = config.max_values_per_key
        self._populations = config.region_populations
        self._smallest_region = config.min_region_population
        self._noise = config.differential_privacy
        self._seen: defaultdict[tuple[str, str], set[Scalar]] = defaultdict(set)

    def reduce(
        self, definition: Definition, metric: str, resource: Mapping[str, object], point: Mapping[str, object]
    ) -> KeptAttributes:
        """The attributes that survive. A point's win over the resource's; what is no scalar is dropped."""
        kept: KeptAttributes = {}
        if definition.level is PrivacyLevel.HIGHLY_SENSITIVE and self._noise:
            return {
                key: self._declared(definition.values[key], point[key] if key in point else resource.get(key))
                for key in definition.released_keys
            }
        for key in definition.kept_keys:
            raw = point[key] if key in point else resource.get(key)
            value = self._value(definition, metric, key, raw)
            if value is not None:
                kept[key] = value
        service = point.get(SERVICE, resource.get(SERVICE))
        if isinstance(service, str) and service and self._service_survives(definition):
            kept[SERVICE] = self._service(definition, service)
        return kept

    def other(self, definition: Definition) -> KeptAttributes:
        """The attributes of the group that small groups are folded into."""
        keys = dict.fromkeys(definition.kept_keys, OTHER)
        return {**keys, SERVICE: OTHER} if self._service_survives(definition) else {**keys}

    def _value(self, definition: Definition, metric: str, key: str, raw: object) -> Scalar | None:
        if raw is None:
            return None
        declared = definition.values.get(key)
        if declared is not None:
            return self._declared(declared, raw)
        if key == REGION and (definition.aggregation == "by_region" or definition.level.guarded):
            return self._region(raw)
        value = clean_value(raw)
        return None if value is None else self._capped(metric, key, value)

    @staticmethod
    def _declared(declared: Sequence[str], raw: object) -> str:
        text = str(raw).lower() if isinstance(raw, bool) else str(raw)
        return text if text in declared else OTHER

    def _service(self, definition: Definition, name: str) -> Scalar:
        declared = definition.values.get(SERVICE)
        if declared is None:
            # Names of guarded metrics fill caps of their own: a shared cap that is full would show on open
            # metrics.
            cap = definition.name if definition.level.guarded else ""
            return self._capped(cap, SERVICE, clean_text(name))
        return self._declared(declared, name)

    def _region(self, raw: object) -> str:
        populous = isinstance(raw, str) and self._populations.get(raw, -1) >= self._smallest_region
        return str(raw) if populous else OTHER

    def _capped(self, metric: str, key: str, value: Scalar) -> Scalar:
        seen = self._seen[metric, key]
        if value in seen:
            return value
        if len(seen) >= self._cap:
            return OTHER
        seen.add(value)
        return value

    def _service_survives(self, definition: Definition) -> bool:
        """Whether `service.name` may stay.

        Groups released with noise are declared, so an undeclared name may not.
        """
        return definition.privacy != "highly_sensitive" or SERVICE in definition.values
