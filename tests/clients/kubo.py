"""A Kubo node of its own network, with nobody in it, that sends its traces to us."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import free_port
from tests.clients.programs import KUBO, Program, clean_environment, installed

# Nothing of it looks for anybody.
ALONE = {
    "IPFS_TELEMETRY": "off",
    "DO_NOT_TRACK": "1",
    "LIBP2P_FORCE_PNET": "1",
}
SETTINGS: dict[str, Any] = {
    "AutoConf.Enabled": False,
    "AutoTLS.Enabled": False,
    "DNS.Resolvers": {},
    "Discovery.MDNS.Enabled": False,
    "Ipns.DelegatedPublishers": [],
    "Routing.DelegatedRouters": [],
    "Routing.Type": "none",
}
ADDED, READ = 12, 30


@dataclass
class Node:
    """A running node. `play` has it do things that it traces; what they were is the truth."""

    api: int
    program: Program

    def play(self) -> dict[str, Any]:
        names = [self._add(f"block {number} of this test".encode()) for number in range(ADDED)]
        for number in range(READ):
            self._call(f"cat?arg={names[number % ADDED]}")
        time.sleep(7)  # its batches leave every five seconds
        return {"added": ADDED, "read": READ}

    def _add(self, content: bytes) -> str:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        body = head + content + b"\r\n--x--\r\n"
        answer = json.loads(self._call("add", body, "multipart/form-data; boundary=x"))
        return str(answer["Hash"])

    def _call(self, command: str, body: bytes = b"", kind: str = "text/plain") -> bytes:
        url = f"http://127.0.0.1:{self.api}/api/v0/{command}"
        request = urllib.request.Request(url, body, {"Content-Type": kind}, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return bytes(answer.read())

    def wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self._call("id")
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError(self.program.log.read_text()[-2000:])


@contextmanager
def node(directory: Path, otlp: str) -> Iterator[Node]:
    """`otlp`: where it exports over gRPC."""
    installed(KUBO, "make clients")
    api = free_port()
    environment = {**ALONE, "IPFS_PATH": str(directory / "ipfs"), "HOME": str(directory)}
    _prepare(directory, environment, api)
    tracing = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{otlp}",
    }
    with Program([KUBO, "daemon", "--offline"], environment | tracing, directory / "kubo.log") as program:
        running = Node(api, program)
        running.wait()
        yield running


def _prepare(directory: Path, environment: dict[str, str], api: int) -> None:
    def ipfs(*arguments: str) -> None:
        whole = {**clean_environment(), **environment}
        subprocess.run([KUBO, *arguments], env=whole, check=True, capture_output=True, timeout=60)

    ipfs("init", "--profile=test")
    ipfs("bootstrap", "rm", "--all")
    key = "/key/swarm/psk/1.0.0/\n/base16/\n" + os.urandom(32).hex() + "\n"
    (directory / "ipfs" / "swarm.key").write_text(key)
    ipfs("config", "Addresses.API", f"/ip4/127.0.0.1/tcp/{api}")
    for name, value in SETTINGS.items():
        ipfs("config", "--json", name, json.dumps(value))
