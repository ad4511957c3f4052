import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from blackhole.demo.children import DemoError
from blackhole.demo.places import bridge, find_python, free_or_any

ROOT = Path(__file__).parents[2]
P2P_PYTHON = ROOT / ".venv-demo" / "bin" / "python"


class Demo:
    """A running `blackhole demo` and what it has printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._new: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.endpoints: dict[str, Any] = json.loads(self.wait_for("ready ").removeprefix("ready "))
        self.wait_for("Ctrl-C ends")
        self.family = psutil.Process(process.pid).children(recursive=True)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, start: str) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                line = self._new.get(timeout=0.2)
            except queue.Empty:
                assert self.process.poll() is None, f"the demo ended: {self.output}"
                continue
            if line.startswith(start):
                return line
        raise AssertionError(f"the demo did not print {start!r} within a minute: {self.output}")

    def query(self, *arguments: str) -> list[Any]:
        """The points of a query, over the command line that a person would use."""
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "blackhole",
                "query",
                *arguments,
                "--json",
                "--url",
                self.endpoints["api"],
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            return []
        return [point for series in json.loads(done.stdout)["series"] for point in series["points"]]

    def finished(self) -> None:
        self._reader.join(5)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._new.put(self.lines[-1])


@contextmanager
def running(place: Path) -> Iterator[Demo]:
    assert P2P_PYTHON.exists(), f"{P2P_PYTHON} is missing: `make demo` and `make test` install it"
    with subprocess.Popen(
        [sys.executable, "-m", "blackhole", "demo", "--port-base", "0", "--p2p-python", str(P2P_PYTHON)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(place)},
    ) as process:
        try:
            yield Demo(process)
        finally:
            if process.poll() is None:
                process.terminate()


def until(condition: Callable[[], object], seconds: float, promise: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {promise}"
        time.sleep(0.5)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_reports_changing_values_says_what_it_weakens_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as demo:
        queries = (
            ("p2p.connections.total", "--agg", "sum"),
            ("p2p.discovery.latency", "--agg", "p95"),
            ("process.cpu.usage",),
            ("identity.requests.total",),
        )
        for metric, *options in queries:
            arguments = (metric, *options, "--last", "5m", "--interval", "2s")

            def moves(arguments: tuple[str, ...] = arguments) -> bool:
                values = [point["value"] for point in demo.query(*arguments)]
                return len(values) >= 3 and len(set(values)) >= 2 and max(values) > 0

            until(moves, 45, f"{metric} has at least three points that differ")
        until(
            lambda: demo.query("p2p.bandwidth.usage", "--last", "5m", "--interval", "5s"),
            45,
            "a sensitive metric shows after its short window",
        )
        noisy = ("content.operations", "--last", "5m", "--agg", "sum", "--interval", "10s")
        until(lambda: demo.query(*noisy), 45, "a highly sensitive metric is released with noise")
        assert all(point["lower"] < point["value"] < point["upper"] for point in demo.query(*noisy))
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 0
        demo.finished()
    assert "sensitive_window 5s and k_anonymity 2" in demo.output
    assert len(re.findall(r"^  \S*blackhole ", demo.output, re.MULTILINE)) == 4
    assert list(tmp_path.iterdir()) == []
    assert len(demo.family) >= 5
    assert gone(demo.family)
    assert "12D3Koo" not in demo.output
    assert "Traceback" not in demo.output


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_nothing_of_the_demo_outlives_it_when_it_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        os.kill(demo.process.pid, signal.SIGKILL)
        demo.process.wait()
        until(lambda: gone(demo.family), 20, "service and children end with the demo")


def test_without_libp2p_the_demo_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="make demo"):
        find_python(tmp_path / "python")


def test_a_python_without_libp2p_is_refused() -> None:
    with pytest.raises(DemoError, match="has no libp2p"):
        find_python(Path(sys.executable))


def test_a_taken_port_is_replaced_and_said() -> None:
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_or_any(port, said.append)[0] == 0
    assert said[0] == f"demo: port {port} is taken, so a free one is used"
    assert free_or_any(0, said.append) == (0, 0, 0)


@pytest.mark.timeout(120)
def test_a_host_takes_more_connections_in_its_life_than_it_has_places(tmp_path: Path) -> None:
    done = _with_libp2p("many_connections.py", 20, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(120)
def test_of_a_host_that_left_no_connection_is_counted_any_more(tmp_path: Path) -> None:
    done = _with_libp2p("short_lives.py", 20, tmp_path)
    left, _, ended = done.stdout.partition(" of ")
    assert (left, int(ended) >= 20) == ("0", True), done.stderr


@pytest.mark.timeout(120)
def test_a_busy_machine_gets_a_calmer_and_more_patient_network(tmp_path: Path) -> None:
    """Else its messages queue up without end, and its own time-outs look like dead peers."""
    done = _with_libp2p("busy_machine.py", 0, tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["idle"] < told["first"] < told["busy"]
    assert told["starved"] == [10.0, 12.0]
    assert told["calm"] == [1.0, 3.0]


@pytest.mark.timeout(120)
def test_a_host_is_told_no_news_from_before_it_came(tmp_path: Path) -> None:
    told = json.loads(_with_libp2p("busy_machine.py", 0, tmp_path).stdout)
    assert told["news"]
    assert not told["from before its life"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_dead_network_is_said_on_the_terminal_and_in_the_verdict_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as demo:

        def wrong() -> list[str]:
            status = [sys.executable, "-m", "blackhole", "status", "--json", "--url", demo.endpoints["api"]]
            told = json.loads(subprocess.check_output(status, text=True))
            return [reason["words"] for reason in told["verdict"]["reasons"]]

        pings = ("p2p.ping.latency", "--agg", "count", "--last", "5m", "--interval", "2s")
        until(lambda: len(demo.query(*pings)) >= 20, 120, "each host has a known period")
        assert "p2p-node is silent" not in wrong()
        (network,) = (one for one in demo.family if one.cmdline()[-1] == "network")
        network.kill()
        assert "network ended" in demo.wait_for("demo: the demo's network ended")
        until(lambda: "p2p-node is silent" in wrong(), 120, "the verdict says so")
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 1


def _with_libp2p(script: str, times: int, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(P2P_PYTHON), str(Path(__file__).with_name(script)), str(times)],
        env={**os.environ, "PYTHONPATH": str(bridge(tmp_path))},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
