"""Identities in every place of a request, sound and broken, are in no line that the service logs."""

import contextlib
import http.client
import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.e2e.service import Service, counter, request

PEER = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"


def spans() -> bytes:
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name=PEER, trace_state=PEER)
    span.status.message = PEER
    span.events.add(name=PEER)
    return message.SerializeToString()


def records() -> bytes:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add(severity_text=PEER, event_name=PEER)
    record.body.string_value = PEER
    return message.SerializeToString()


def asked(service: Service, method: str, path: str, body: str | None = None) -> None:
    place = service.ready["api"].removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(place, timeout=30)) as connection:
        headers = {"content-type": "application/json", "user-agent": PEER, "cookie": PEER}
        connection.request(method, path, body, headers)
        connection.getresponse().read()


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_line_of_the_log_holds_an_identity_of_a_request(tmp_path: Path, style: str) -> None:
    with Service(tmp_path / "data", ("--log-format", style)) as service:
        metric = counter(f"p2p.{PEER}", 1, start=1, delta=True)
        metric.sum.data_points[0].attributes.add(key=PEER).value.string_value = PEER
        metric.unit = metric.description = PEER
        service.call(request(metric, service=PEER))
        service.post(spans(), "/v1/traces")
        service.post(records(), "/v1/logs")
        for broken in (PEER, json.dumps({PEER: [PEER]}), f'{{"resourceMetrics": "{PEER}"}}'):
            service.post(broken.encode(), content_type="application/json")
            service.post(broken.encode(), f"/{PEER}")
        asked(service, "GET", f"/{PEER}?peer={PEER}")
        asked(service, "POST", "/api/analytics/query", json.dumps({"metric": PEER, "filters": {PEER: PEER}}))
        asked(service, "POST", "/api/analytics/sql", json.dumps({"sql": f"SELECT '{PEER}'::INTEGER"}))
        asked(
            service, "POST", "/api/analytics/catalogue/allow", json.dumps({"names": [PEER], "type": "gauge"})
        )
        assert service.stop() == 0
    log = (tmp_path / "stderr").read_text()
    assert "stopping" in log
    assert PEER[:12] not in log
