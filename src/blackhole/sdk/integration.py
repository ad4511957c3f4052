"""Turns the requests of a service into the three standard metrics of the specification, and its own ones."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram, Instrument, MeterProvider, UpDownCounter

from blackhole.sdk.failures import classify_error
from blackhole.sdk.foundation import current_service

_InstrumentKind = TypeVar("_InstrumentKind", bound=Instrument)


class AnalyticsIntegration:
    """Counts a service's requests, errors and durations, as the specification names them.

    These are `NAME.requests.total`, `NAME.errors.total` and `NAME.request.duration`. `custom` holds the
    service's own instruments by name; `counter`, `updowncounter` and `histogram` make them.
    """

    def __init__(self, name: str, *, meter_provider: MeterProvider | None = None) -> None:
        if not name:
            raise ValueError("AnalyticsIntegration() needs the service's name")
        self.name = name
        self.meter = metrics.get_meter(f"blackhole-{name}", meter_provider=meter_provider)
        self.requests = self.meter.create_counter(
            f"{name}.requests.total", description="Total requests processed"
        )
        self.errors = self.meter.create_counter(
            f"{name}.errors.total", description="Total errors encountered"
        )
        self.duration = self.meter.create_histogram(
            f"{name}.request.duration", unit="ms", description="Request processing duration"
        )
        self.custom: dict[str, Instrument] = {}

    def record(self, method: str, milliseconds: float, *, error_type: str | None = None) -> None:
        """One request, and how it failed: a word of `ERROR_TYPES`, or None when it succeeded."""
        outcome: Mapping[str, str | bool] = {"method": method, "success": error_type is None}
        self.requests.add(1, outcome)
        if error_type is not None:
            self.errors.add(1, {"method": method, "error_type": error_type})
        self.duration.record(milliseconds, outcome)

    @contextmanager
    def measure(self, method: str) -> Iterator[None]:
        """Records the body as one request; an exception is classified and goes on."""
        watch = Stopwatch()
        try:
            yield
        except BaseException as error:
            self.record(method, watch.milliseconds, error_type=classify_error(error))
            raise
        self.record(method, watch.milliseconds)

    def counter(self, name: str, *, unit: str = "1", description: str = "") -> Counter:
        def create() -> Counter:
            return self.meter.create_counter(name, unit, description)

        return self._own(name, Counter, create)  # type: ignore[type-abstract]

    def updowncounter(self, name: str, *, unit: str = "1", description: str = "") -> UpDownCounter:
        def create() -> UpDownCounter:
            return self.meter.create_up_down_counter(name, unit, description)

        return self._own(name, UpDownCounter, create)  # type: ignore[type-abstract]

    def histogram(
        self, name: str, *, unit: str = "ms", description: str = "", boundaries: Sequence[float] | None = None
    ) -> Histogram:
        def create() -> Histogram:
            return self.meter.create_histogram(
                name, unit, description, explicit_bucket_boundaries_advisory=boundaries
            )

        return self._own(name, Histogram, create)  # type: ignore[type-abstract]

    def _own(
        self, name: str, kind: type[_InstrumentKind], create: Callable[[], _InstrumentKind]
    ) -> _InstrumentKind:
        known = self.custom.get(name)
        if known is None:
            known = self.custom[name] = create()
        if not isinstance(known, kind):
            raise TypeError(f"{name} is a {type(known).__name__} already: give this instrument its own name")
        return known


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - self._start) * 1000.0


def default_integration() -> AnalyticsIntegration:
    """The integration of the service that was set up, for middleware that was given none."""
    return AnalyticsIntegration(current_service() or "service")
