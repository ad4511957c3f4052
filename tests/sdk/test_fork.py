"""A child that was forked reports as a process of its own, which has counted nothing yet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.service import Service, stored
from tests.sdk.receiver import Sink, attributes, receiving

PARENT = """
import os, sys, threading, time
import blackhole.sdk as bh
endpoint, children = sys.argv[1], int(sys.argv[2])
foundation = bh.setup("shop", endpoint=endpoint, instance_id="parent", interval=60, set_global=False)
requests = foundation.meter.create_counter("shop.requests.total")
open_ones = foundation.meter.create_up_down_counter("http.server.active_requests")
duration = foundation.meter.create_histogram("shop.request.duration", unit="ms")

def count(number):
    requests.add(number); open_ones.add(number); duration.record(number)
    with foundation.tracer.start_as_current_span("Method"):
        pass

def wait(child):
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""
PLAIN = """
count(100)
assert foundation.flush(20.0) is True
child = os.fork()
if child == 0:
    count(5)
    assert foundation.flush(20.0) is True
    os._exit(0)
wait(child)
foundation.shutdown(20.0)
"""
AT_EXIT = """
count(100)
child = os.fork()
if child == 0:
    count(5)
    sys.exit(0)
wait(child)
"""
MULTIPROCESSING = """
import multiprocessing
count(100)
process = multiprocessing.get_context("fork").Process(target=count, args=(5,))
process.start()
process.join()
assert process.exitcode == 0
"""
GRANDCHILD = """
count(60)
child = os.fork()
if child == 0:
    count(40)
    child = os.fork()
    if child == 0:
        count(5)
        sys.exit(0)
    wait(child)
    sys.exit(0)
wait(child)
"""


def run(script: str, endpoint: str, *, children: int = 1, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARENT + script, endpoint, str(children)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def told(sink: Sink) -> dict[str, dict[str, float]]:
    """By instance the last value of each metric that was sent."""
    found: dict[str, dict[str, float]] = {}
    for request in sink.metrics:
        for one in request.resource_metrics:
            instance = str(attributes(one.resource)["service.instance.id"])
            for metric in one.scope_metrics[0].metrics:
                own = found.setdefault(instance, {})
                if metric.HasField("sum"):
                    own[metric.name] = metric.sum.data_points[0].as_int
                elif metric.HasField("histogram"):
                    own[metric.name] = metric.histogram.data_points[0].sum
    return found


@pytest.mark.parametrize("script", [PLAIN, AT_EXIT, MULTIPROCESSING])
def test_a_child_counts_from_nothing_under_a_name_of_its_own(script: str) -> None:
    with receiving() as sink:
        run(script, f"127.0.0.1:{sink.port}")
        found = told(sink)
        parent = found.pop("parent")
        (child,) = found.values()
        names = ("shop.requests.total", "http.server.active_requests", "shop.request.duration")
        assert [parent[name] for name in names] == [100, 100, 100]
        assert [child[name] for name in names] == [5, 5, 5]
        resources = [one.resource for request in sink.spans for one in request.resource_spans]
        assert len({str(attributes(one)["service.instance.id"]) for one in resources}) == 2


def test_a_childs_sums_begin_after_its_parents() -> None:
    with receiving() as sink:
        run(PLAIN, f"127.0.0.1:{sink.port}")
        starts = {}
        for request in sink.metrics:
            for metric in request.resource_metrics[0].scope_metrics[0].metrics:
                if metric.name == "shop.requests.total":
                    point = metric.sum.data_points[0]
                    starts[point.as_int] = (point.start_time_unix_nano, point.time_unix_nano)
        assert starts[5][0] > starts[100][0]
        assert starts[5][0] <= starts[5][1]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("script", [PLAIN, GRANDCHILD])
def test_the_service_stores_what_was_counted_once(script: str, protocol: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service(data) as service:
        key = "otlp_grpc" if protocol == "grpc" else "otlp_http"
        run(script, f"http://{service.ready[key]}", OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
        assert service.stop() == 0
    sql = "SELECT sum(value) FROM metrics WHERE metric_name = 'shop.requests.total'"
    assert stored(data, sql) == [(105.0,)]


DURING = """
import logging, socket
logging.disable()  # that nobody answers is no news here
lock_server = socket.create_server(("127.0.0.1", 0))
foundation.shutdown(0)
address = "127.0.0.1:%d" % lock_server.getsockname()[1]
silent = bh.setup("shop", endpoint=address, interval=0.01, set_global=False)
silent.meter.create_counter("shop.requests.total").add(100)
connection, _ = lock_server.accept()   # an export is under way
child = os.fork()
if child == 0:
    lock_server.settimeout(30)
    requests = silent.meter.create_counter("shop.requests.total")
    requests.add(5)
    connection, _ = lock_server.accept()   # the child's own, by a thread of its own
    assert connection.recv(24) == b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"
    os._exit(0)
connection.close()
wait(child)
silent.shutdown(0)
"""


def test_a_child_that_was_forked_inside_an_export_sends_its_own() -> None:
    run(DURING, "127.0.0.1:9")


BUSY = """
stop = threading.Event()
counted = [0]
def work():
    while not stop.is_set():
        requests.add(1, {"method": "a"}); duration.record(1.0)
        counted[0] += 1
def ask():
    while not stop.is_set():
        foundation.flush(20.0)
threads = [threading.Thread(target=work) , threading.Thread(target=ask)]
for thread in threads: thread.start()
for number in range(children):
    time.sleep(0.002 * (number % 5))
    child = os.fork()
    if child == 0:
        requests.add(1, {"method": "a"})
        os._exit(0 if foundation.flush(60.0) else 3)
    wait(child)
stop.set()
for thread in threads: thread.join()
requests.add(1_000_000 - counted[0], {"method": "a"})
foundation.shutdown(60.0)
"""


def test_children_of_a_busy_parent_are_all_heard_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service(data) as service:
        run(BUSY, service.ready["otlp_grpc"], children=25)
        assert service.stop() == 0
    sql = "SELECT sum(value) FROM metrics WHERE metric_name = 'shop.requests.total'"
    assert stored(data, sql) == [(1_000_025.0,)]
