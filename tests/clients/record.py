"""Records what a real Collector and a real Kubo send, byte for byte, for tests where neither is there.

`make clients-golden` runs it; what it wrote is in tests/golden/collector and tests/golden/kubo.
"""

import json
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from tests.clients.collector import Page, collector
from tests.clients.kubo import node
from tests.clients.support import ROOT

GOLDEN = ROOT / "tests" / "golden"
Request = tuple[int, bytes]


class Recorder(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Says yes to everything, and keeps it with the time (nanoseconds) of its arrival."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def service(self, _: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._take)

    def _take(self, body: bytes, _: Any) -> bytes:
        self.requests.append((time.time_ns(), body))
        return b""


@contextmanager
def recording() -> Iterator[tuple[str, list[Request]]]:
    """The address to export to over gRPC, and what has come so far."""
    recorder = Recorder()
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[recorder])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", recorder.requests
    server.stop(None).wait()


def keep(name: str, requests: list[Request], truth: dict[str, Any]) -> None:
    directory = GOLDEN / name
    directory.mkdir(exist_ok=True)
    for old in directory.glob("*.bin"):
        old.unlink()
    for number, (_, body) in enumerate(requests):
        (directory / f"{number:02}.bin").write_bytes(body)
    told = {"arrived": [at for at, _ in requests], **truth}
    (directory / "truth.json").write_text(json.dumps(told, indent=1) + "\n")


def record_collector(directory: Path) -> None:
    with Page() as page, recording() as (address, requests):
        with collector(directory, page.address, address):
            page.played(60)
            time.sleep(1.5)
        keep("collector", requests, {"scrapes": page.scrapes})


def record_kubo(directory: Path) -> None:
    with recording() as (address, requests):
        with node(directory, address) as running:
            truth = running.play()
        keep("kubo", requests, truth)


def main() -> None:
    for record in (record_collector, record_kubo):
        with TemporaryDirectory() as directory:
            record(Path(directory))


if __name__ == "__main__":
    main()
