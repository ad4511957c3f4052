"""Turns a service's name into OpenTelemetry providers that report to the analytics beside it."""

import atexit
import math
import uuid
from collections.abc import Collection, Mapping
from typing import Self

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.schemas import Schemas

from blackhole.sdk.exporting import Reporter, metric_exporter, span_exporter
from blackhole.sdk.usage import observe_process
from blackhole.sdk.views import privacy_views

DEFAULT_INTERVAL = 10.0

_current: list["Foundation"] = []


class Foundation:
    """The meter and tracer providers of one service. Closing it flushes; at exit it closes itself."""

    def __init__(
        self,
        service_name: str,
        *,
        endpoint: str | None,
        interval: float,
        resource: Resource,
        unit_keys: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.service_name = service_name
        self.resource = resource
        self._reporter = Reporter()
        self._closed = False
        self._metrics = metric_exporter(endpoint, self._reporter)
        self._spans = span_exporter(endpoint, self._reporter)
        self.meter_provider = MeterProvider(
            metric_readers=[
                PeriodicExportingMetricReader(self._metrics, export_interval_millis=interval * 1000)
            ],
            resource=resource,
            views=privacy_views(unit_keys),
            # An exemplar ties a measurement to one request.
            exemplar_filter=AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
        )
        self.tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(
            BatchSpanProcessor(self._spans, schedule_delay_millis=math.ceil(min(interval, 5.0) * 1000))
        )
        atexit.register(self.shutdown)

    @property
    def meter(self) -> metrics.Meter:
        return self.meter_provider.get_meter(f"blackhole-{self.service_name}")

    @property
    def tracer(self) -> trace.Tracer:
        return self.tracer_provider.get_tracer(f"blackhole-{self.service_name}")

    def flush(self, timeout: float = 5.0) -> bool:
        """Sends what is there now. True when the analytics has taken it."""
        milliseconds = math.ceil(timeout * 1000)
        flushed = self.meter_provider.force_flush(milliseconds) and self.tracer_provider.force_flush(
            milliseconds
        )
        return flushed and self._reporter.arriving is True

    def shutdown(self, timeout: float = 5.0) -> None:
        """Sends the last values and stops. Does not wait for an analytics that did not answer before."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.shutdown)
        with self._reporter.muted():
            if self._reporter.arriving is False:
                self._metrics.shutdown()
                self._spans.shutdown()
            self.tracer_provider.shutdown()
            self.meter_provider.shutdown(timeout_millis=timeout * 1000)
        self._reporter.close()
        if self in _current:
            _current.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def setup(
    service_name: str,
    *,
    endpoint: str | None = None,
    interval: float = DEFAULT_INTERVAL,
    service_version: str | None = None,
    instance_id: str | None = None,
    process_metrics: bool = True,
    set_global: bool = True,
    unit_keys: Mapping[str, Collection[str]] | None = None,
) -> Foundation:
    """Starts reporting, and makes the providers OpenTelemetry's own (`set_global`).

    `endpoint`: `http://HOST:PORT` or `HOST:PORT`; None: $OTEL_EXPORTER_OTLP_ENDPOINT, else 127.0.0.1:4317.
    Port 4318, or $OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, chooses HTTP. `interval`: seconds between
    collections. `instance_id`: which of several equal services this is; None makes a random one. Keys that
    name somebody are not sent, but for the ids of privacy units on guarded metrics of the built-in catalogue;
    `unit_keys` names those of metrics that a catalogue of your own guards: {"shop.orders": ["user.id"]}.
    Raises ValueError for an empty name or an interval that is not above 0.
    """
    if not service_name:
        raise ValueError("setup() needs the service's name, for example setup('identity')")
    if not interval > 0:
        raise ValueError(f"interval={interval}: give seconds above 0")
    foundation = Foundation(
        service_name,
        endpoint=endpoint,
        interval=interval,
        resource=_resource(service_name, service_version, instance_id),
        unit_keys=unit_keys,
    )
    if process_metrics:
        observe_process(foundation.meter)
    if set_global:
        metrics.set_meter_provider(foundation.meter_provider)
        trace.set_tracer_provider(foundation.tracer_provider)
        _current.append(foundation)
    return foundation


def current_service() -> str | None:
    """The name given to the last global `setup`, or None."""
    return _current[-1].service_name if _current else None


def _resource(service_name: str, service_version: str | None, instance_id: str | None) -> Resource:
    attributes = {"service.name": service_name, "service.instance.id": instance_id or str(uuid.uuid4())}
    if service_version is not None:
        attributes["service.version"] = service_version
    return Resource.create(attributes, Schemas.V1_40_0.value)
