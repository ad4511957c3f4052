"""Turns a service's name into OpenTelemetry providers that report to the analytics beside it."""

import atexit
import os
import uuid
import weakref
from collections.abc import Collection, Mapping
from typing import Self

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv.schemas import Schemas

from blackhole.sdk import forked
from blackhole.sdk.courier import Courier, Routes
from blackhole.sdk.exporting import Route
from blackhole.sdk.usage import observe_process
from blackhole.sdk.views import privacy_views

DEFAULT_INTERVAL = 10.0

_current: list["Foundation"] = []
_open: "weakref.WeakSet[Foundation]" = weakref.WeakSet()


class Foundation:
    """The meter and tracer providers of one service. Closing it flushes; at exit it closes itself.

    In a process that forks, each child reports as an instance of its own, which has counted nothing yet.
    """

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
        self._closed = False
        routes = Routes(Route.of("metrics", endpoint, os.environ), Route.of("traces", endpoint, os.environ))
        self._courier = Courier(routes, resource, interval)
        self.meter_provider = MeterProvider(
            metric_readers=[self._courier.reader],
            resource=resource,
            views=privacy_views(unit_keys),
            # An exemplar ties a measurement to one request.
            exemplar_filter=AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
        )
        self.tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(self._courier.spans)
        atexit.register(self.shutdown)
        _open.add(self)
        self._courier.start()

    @property
    def resource(self) -> Resource:
        """Who reports; in a child, itself."""
        return self._courier.resource

    @property
    def meter(self) -> metrics.Meter:
        return self.meter_provider.get_meter(f"blackhole-{self.service_name}")

    @property
    def tracer(self) -> trace.Tracer:
        return self.tracer_provider.get_tracer(f"blackhole-{self.service_name}")

    def flush(self, timeout: float = 5.0) -> bool:
        """Sends what is there now. True when the analytics has taken all of it, in `timeout` seconds."""
        return self._courier.flush(timeout)

    def shutdown(self, timeout: float = 5.0) -> None:
        """Sends the last values and stops, in `timeout` seconds.

        Does not wait for an analytics that did not answer before.
        """
        if self._closed:
            return
        self._closed = True
        _open.discard(self)
        atexit.unregister(self.shutdown)
        self._courier.close(timeout)
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        if self in _current:
            _current.remove(self)

    def _begin_anew(self) -> None:
        """In a child: another process, which has counted nothing and has none of its parent's threads."""
        courier = self._courier
        courier.resource = forked.own(courier.resource)
        courier.begin()
        if not forked.renew(self.meter_provider, courier.reader):
            self._closed = True
            return
        courier.start()
        forked.at_end(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def _begin_anew() -> None:
    for foundation in list(_open):
        foundation._begin_anew()  # noqa: SLF001  (of this module)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


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
