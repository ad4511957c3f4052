import logging
import socket
import time

import pytest
from opentelemetry import context as otel_context
from tests.sdk.receiver import attributes, receiving

import blackhole.sdk as bh


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_service_reports_its_resource_measurements_and_process() -> None:
    with (
        receiving() as sink,
        bh.setup(
            "identity",
            endpoint=f"127.0.0.1:{sink.port}",
            service_version="1.2",
            instance_id="a",
            set_global=False,
        ) as foundation,
    ):
        foundation.meter.create_counter("identity.requests.total").add(3)
        assert foundation.flush()
        resource = sink.resource
        counted = sink.metric("identity.requests.total")
        memory = sink.metric("process.memory.usage")
        cpu = sink.metric("process.cpu.usage")
    assert resource["service.name"] == "identity"
    assert resource["service.version"] == "1.2"
    assert resource["service.instance.id"] == "a"
    assert counted.sum.data_points[0].as_int == 3
    assert counted.sum.is_monotonic
    assert (memory.unit, cpu.unit) == ("bytes", "percent")
    assert memory.gauge.data_points[0].as_int > 2**20


def test_values_are_sent_by_themselves_at_the_interval() -> None:
    with (
        receiving() as sink,
        bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", interval=0.1, set_global=False),
    ):
        sink.wait()


def test_closing_sends_what_was_not_sent_yet() -> None:
    with receiving() as sink:
        with bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", interval=60, set_global=False) as foundation:
            foundation.meter.create_counter("last.words").add(1)
            with foundation.tracer.start_as_current_span("Method"):
                pass
        assert sink.metric("last.words").sum.data_points[0].as_int == 1
        assert len(sink.spans) == 1


def test_no_measurement_is_tied_to_one_request_by_an_exemplar() -> None:
    with receiving() as sink:
        with bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", set_global=False) as foundation:
            histogram = foundation.meter.create_histogram("a.request.duration")
            with foundation.tracer.start_as_current_span("Method"):
                histogram.record(5, context=otel_context.get_current())
        assert not sink.metric("a.request.duration").histogram.data_points[0].exemplars


def test_peers_leave_the_service_only_as_regions_and_sizes_only_in_wide_buckets() -> None:
    with receiving() as sink:
        with bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", set_global=False) as foundation:
            peers = foundation.meter.create_counter("p2p.peer.connection")
            peers.add(1, {"region": "eu", "peer_id": "12D3KooWA"})
            peers.add(1, {"region": "eu", "peer_id": "12D3KooWB"})
            foundation.meter.create_histogram("content.size").record(5000)
            foundation.meter.create_histogram("p2p.discovery.latency").record(70)
        (peer,) = sink.metric("p2p.peer.connection").sum.data_points
        assert (attributes(peer), peer.as_int) == ({"region": "eu"}, 2)
        (size,) = sink.metric("content.size").histogram.data_points
        assert list(size.explicit_bounds) == [1024, 10240, 102400, 1048576]
        (latency,) = sink.metric("p2p.discovery.latency").histogram.data_points
        assert list(latency.explicit_bounds) == [10, 50, 100, 500, 1000, 5000]


def test_a_service_without_analytics_is_not_disturbed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    foundation = bh.setup("a", endpoint=f"127.0.0.1:{unused_port()}", interval=0.05, set_global=False)
    counter = foundation.meter.create_counter("a.requests.total")
    began = time.monotonic()
    for _ in range(1000):
        counter.add(1)
        with foundation.tracer.start_as_current_span("Method"):
            pass
    assert time.monotonic() - began < 1.0
    assert not foundation.flush()
    began = time.monotonic()
    foundation.shutdown()
    assert time.monotonic() - began < 1.0
    assert [record.name for record in caplog.records] == ["blackhole.sdk"]
    assert "blackhole serve" in caplog.text


def test_what_was_counted_before_the_analytics_started_arrives_after() -> None:
    port = unused_port()
    with bh.setup("a", endpoint=f"127.0.0.1:{port}", interval=60, set_global=False) as foundation:
        foundation.meter.create_counter("a.requests.total").add(2)
        assert not foundation.flush()
        with receiving(port) as sink:
            assert foundation.flush()
            assert sink.metric("a.requests.total").sum.data_points[0].as_int == 2


def test_closing_twice_is_harmless() -> None:
    with receiving() as sink:
        foundation = bh.setup("a", endpoint=f"127.0.0.1:{sink.port}", set_global=False)
        foundation.shutdown()
        foundation.shutdown()


def test_an_empty_name_and_a_zero_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        bh.setup("")
    with pytest.raises(ValueError, match="interval"):
        bh.setup("a", interval=0)
