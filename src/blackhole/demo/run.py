"""Turns one call into a running demo: the service, a libp2p network, three services, and words about them."""

import contextlib
import json
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from blackhole.demo.children import Child, DemoError
from blackhole.demo.places import bridge, command_name, find_python, free_or_any
from blackhole.sdk.process import AnalyticsProcess, AnalyticsProcessError, Endpoints

INTERVAL = 2.0
STAY = (12.0, 45.0)
# Long enough to see how it was before.
SLOW_AFTER_S = 75.0
CONFIGURATION = """\
# Short windows and small groups, so that there is something to see at once.
# On a real node leave the defaults: windows of a minute, groups of five, 5 % of a core.
analytics:
  max_cpu_usage: 30
  collection_interval: 2s
  sensitive_window: 5s
  k_anonymity: 2
  release_window: 10s
  budget_period: 1h
  privacy_budget: 50
"""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`seconds` None: until Ctrl-C. `port_base` N: OTLP on N and N+1, the page on N+2; 0 picks free ones."""

    seconds: float | None = None
    p2p_python: Path | None = None
    port_base: int | None = None
    listen: str | None = None
    hosts: int = 6


def run(options: DemoOptions, say: Say = print) -> int:
    """Runs the demo and returns its exit code. Raises DemoError with one line when it cannot."""
    python = find_python(options.p2p_python)
    with _stop_signal() as stopped, tempfile.TemporaryDirectory(prefix="blackhole-demo-") as directory:
        place = Path(directory)
        say(f"demo: starting the service, {options.hosts} libp2p hosts and three services, in {place}")
        children = _Children(python, place)
        service = _service(options, place, say)
        try:
            endpoints = _start(service)
            children.begin(endpoints, options.hosts)
            _announce(endpoints, options, say)
            _stay(children, options.seconds, stopped, say)
        finally:
            say("demo: stopping")
            children.end()
            service.stop()
    say("demo: stopped, and its directory is gone")
    return 1 if children.lost else 0


class _Children:
    """The four programs beside the service: they import while it starts, and begin when it is ready."""

    def __init__(self, python: Path, place: Path) -> None:
        path = bridge(place)
        self._all: dict[str, Child] = {}
        self.lost: set[str] = set()
        for name in ("network", "identity", "node", "social"):
            module = "blackhole.demo.network" if name == "network" else "blackhole.demo.services"
            self._all[name] = Child(name, python, [module, name], path=path, logs=place)

    def begin(self, endpoints: Endpoints, hosts: int) -> None:
        common = {"endpoint": endpoints.otlp_grpc, "interval": INTERVAL}
        self._all["network"].order(**common, hosts=hosts, stay=STAY, slow_after=SLOW_AFTER_S)
        for name in ("identity", "node"):
            self._all[name].order(**common)
        addresses = {name: self._all[name].answer()["address"] for name in ("identity", "node")}
        self._all["social"].order(**common, **addresses)
        for name in ("social", "network"):
            self._all[name].answer()

    def newly_lost(self) -> Iterator[DemoError]:
        """What ended since it was asked last, each once: the others go on, as they would on a real node."""
        for name in self._all.keys() - self.lost:
            try:
                self._all[name].check()
            except DemoError as error:
                self.lost.add(name)
                yield error

    def end(self) -> None:
        for child in self._all.values():
            child.leave()
        for child in self._all.values():
            child.end()


def _service(options: DemoOptions, place: Path, say: Say) -> AnalyticsProcess:
    config = place / "demo.yaml"
    config.write_text(CONFIGURATION, encoding="utf-8")
    grpc, http, page = free_or_any(options.port_base, say)
    return AnalyticsProcess(
        config=config,
        data_dir=place / "data",
        otlp_grpc=f"127.0.0.1:{grpc}",
        otlp_http=f"127.0.0.1:{http}",
        listen=options.listen or f"127.0.0.1:{page}",
        log_file=place / "service.log",
    )


def _start(service: AnalyticsProcess) -> Endpoints:
    try:
        return service.start()
    except AnalyticsProcessError as error:
        raise DemoError(str(error)) from None


def _announce(endpoints: Endpoints, options: DemoOptions, say: Say) -> None:
    blackhole = command_name()
    here = "" if endpoints.api.endswith(":8080") else f" --url {endpoints.api}"
    say(f"ready {json.dumps(asdict(endpoints), separators=(',', ':'))}")
    say(
        f"""
The page:  {endpoints.api}/

A real libp2p network of {options.hosts} hosts (they discover, connect, ping, publish and sometimes leave)
and the services identity, node and social report into it. After {SLOW_AFTER_S:.0f} seconds one kind of peer
gets slow: Network says which, and since when. Try, in another terminal:
  {blackhole} query p2p.connections.total --last 5m --by peer_type{here}
  {blackhole} query p2p.discovery.latency --agg p95 --last 5m --plot{here}
  {blackhole} status{here}

The demo has its own configuration: sensitive_window 5s and k_anonymity 2, where a real node has 1m
and 5, so that sensitive metrics show at once. content.operations and identity.operations are highly
sensitive: they come with noise every 10s under a privacy_budget of 50, where a real node has 1h and 1.
That is too little protection for real people. It looks at everything every 2s, for which it may take
30 % of a core, where a real node has 10s and 5 %. More about it:
  {blackhole} privacy explain content.operations{here}
Ctrl-C ends everything and removes the data.
"""
    )


def _stay(children: _Children, seconds: float | None, stopped: threading.Event, say: Say) -> None:
    until = None if seconds is None else time.monotonic() + seconds
    while not stopped.wait(0.5):
        for error in children.newly_lost():
            say(f"demo: {error}. The rest goes on, and Overview says what is silent; Ctrl-C ends it.")
        if until is not None and time.monotonic() >= until:
            return


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM; a second one interrupts."""
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        del number, frame
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
