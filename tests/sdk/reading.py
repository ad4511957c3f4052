"""Reads what instruments hold, without any export."""

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import blackhole.sdk as bh


class Measured:
    """An integration named `demo` and what it recorded so far, by metric and attributes."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        provider = MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False)
        self.integration = bh.AnalyticsIntegration("demo", meter_provider=provider)

    def points(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            tuple(sorted((point.attributes or {}).items())): point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    def counts(self, name: str) -> dict[tuple[tuple[str, Any], ...], int]:
        points = self.points(name).items()
        return {key: getattr(point, "value", None) or point.count for key, point in points}
