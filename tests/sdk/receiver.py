"""A small OTLP receiver over gRPC, made with the official generated classes, that keeps what it was sent."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


class Sink(metrics_service_pb2_grpc.MetricsServiceServicer, trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.metrics: list[Any] = []
        self.spans: list[Any] = []
        self.port = 0
        self.answer = metrics_service_pb2.ExportMetricsServiceResponse()
        self.metadata: dict[str, str] = {}
        self._arrived = threading.Event()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.metadata = {pair.key: pair.value for pair in context.invocation_metadata()}
        if hasattr(request, "resource_metrics"):
            self.metrics.append(request)
            self._arrived.set()
            return self.answer
        self.spans.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def wait(self) -> None:
        assert self._arrived.wait(10), "nothing was exported within ten seconds"

    @property
    def resource(self) -> dict[str, str]:
        attributes = self.metrics[-1].resource_metrics[0].resource.attributes
        return {pair.key: pair.value.string_value for pair in attributes}

    def metric(self, name: str) -> Any:
        """The newest metric of that name."""
        found = [
            metric
            for request in self.metrics
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        assert found, f"{name} was not exported"
        return found[-1]


@contextmanager
def receiving(port: int = 0) -> Iterator[Sink]:
    sink = Sink()
    server = grpc.server(ThreadPoolExecutor(4))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(sink, server)  # type: ignore[no-untyped-call]
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(sink, server)  # type: ignore[no-untyped-call]
    sink.port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield sink
    finally:
        server.stop(0).wait()


def attributes(point: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in point.attributes}
