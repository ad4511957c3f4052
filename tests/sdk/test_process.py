import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from blackhole.sdk import AnalyticsProcess, AnalyticsProcessError

SERVICE = """
import json, os, signal, sys, time
mode, log = sys.argv[1], sys.argv[2]
with open(log, "a") as file:
    file.write(" ".join(sys.argv[3:]) + "\\n")
if mode == "broken":
    sys.exit("the configuration is broken")
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "slow":
    time.sleep(60)
print("ready " + json.dumps({"otlp_grpc": "127.0.0.1:1", "otlp_http": "127.0.0.1:2",
                             "api": "http://127.0.0.1:3", "pid": os.getpid()}), flush=True)
time.sleep(60)
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[[str], list[str]]:
    script = tmp_path / "service.py"
    script.write_text(SERVICE)
    return lambda mode: [sys.executable, str(script), mode, str(tmp_path / "starts")]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within ten seconds"
        time.sleep(0.02)


def test_start_returns_the_endpoints_of_the_ready_line_and_stop_ends_it(
    command: Callable[[str], list[str]],
) -> None:
    service = AnalyticsProcess(command=command("good"))
    endpoints = service.start()
    assert (endpoints.otlp_grpc, endpoints.api) == ("127.0.0.1:1", "http://127.0.0.1:3")
    assert psutil.pid_exists(endpoints.pid)
    assert service.stop() == -signal.SIGTERM
    assert not psutil.pid_exists(endpoints.pid)
    assert not service.running


def test_a_service_that_dies_is_started_again_on_the_same_ports(
    command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    with AnalyticsProcess(command=command("good"), otlp_grpc="127.0.0.1:0", backoff=0.05) as service:
        first = service.endpoints.pid
        os.kill(first, signal.SIGKILL)
        until(lambda: service.restarts == 1 and service.running)
        assert service.endpoints.pid != first
    starts = (tmp_path / "starts").read_text().splitlines()
    assert starts[0] == "--otlp-grpc 127.0.0.1:0"
    assert starts[1] == "--otlp-grpc 127.0.0.1:1 --otlp-http 127.0.0.1:2 --listen 127.0.0.1:3"


def test_a_service_that_cannot_start_is_not_tried_again_and_its_log_is_named(
    command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    service = AnalyticsProcess(command=command("broken"), log_file=tmp_path / "log")
    with pytest.raises(AnalyticsProcessError, match=r"exit code 1; see .*log"):
        service.start()
    assert "the configuration is broken" in (tmp_path / "log").read_text()
    assert len((tmp_path / "starts").read_text().splitlines()) == 1


def test_a_service_that_never_gets_ready_is_given_up(command: Callable[[str], list[str]]) -> None:
    service = AnalyticsProcess(command=command("slow"), ready_timeout=0.5)
    with pytest.raises(AnalyticsProcessError, match=r"not ready after 0\.5 s"):
        service.start()
    assert not service.running


def test_a_service_that_ignores_sigterm_is_killed_after_the_grace(
    command: Callable[[str], list[str]],
) -> None:
    service = AnalyticsProcess(command=command("stubborn"), grace=0.3)
    service.start()
    assert service.stop() == -signal.SIGKILL


def test_a_command_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(AnalyticsProcessError, match="did not start"):
        AnalyticsProcess(command=["/nowhere/blackhole"]).start()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel ties the processes on Linux only"
)
def test_the_service_does_not_outlive_a_killed_program(command: Callable[[str], list[str]]) -> None:
    program = (
        "import sys, time\nfrom blackhole.sdk import AnalyticsProcess\n"
        f"print(AnalyticsProcess(command={command('good')!r}).start().pid, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
