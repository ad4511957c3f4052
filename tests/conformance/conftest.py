"""One running service for all tests of conformance."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

_PORTS = ("--otlp-grpc=127.0.0.1:0", "--otlp-http=127.0.0.1:0", "--listen=127.0.0.1:0")


@contextmanager
def serving(directory: Path, otlp: str = "{}") -> Iterator[dict[str, Any]]:
    """What the ready line of `blackhole serve` says. Its CPU is not limited, so that it puts nothing off."""
    config = directory / "config.yaml"
    config.write_text(f"analytics: {{max_cpu_usage: 10000, commit_wait: 1ms, otlp: {otlp}}}")
    arguments = [f"--config={config}"]
    command = [str(Path(sys.executable).with_name("blackhole")), "serve", f"--data-dir={directory}"]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen([*command, *_PORTS, *arguments], stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(b"ready "), (directory / "log").read_text()
        yield msgspec.json.decode(line.removeprefix(b"ready "), type=dict[str, Any])
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with serving(tmp_path_factory.mktemp("service")) as ready:
        yield ready


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="package", autouse=True)
async def one_loop(anyio_backend: str) -> AsyncIterator[None]:  # noqa: ARG001
    """grpc.aio looks at what became of its calls once more later, by the loop of whoever called."""
    yield  # noqa: PT022  (it keeps the loop until the last test)
