"""Turns this machine into what the demo needs: a Python with libp2p, a path for the SDK, free ports."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import blackhole
from blackhole.demo.children import DemoError

USUAL_PORTS = (4317, 4318, 8080)
ENVIRONMENT = ".venv-demo"
_CHECK = (
    "import sys; from importlib.util import find_spec; "
    "sys.exit(not (find_spec('libp2p') and find_spec('opentelemetry')))"
)


def find_python(given: Path | None) -> Path:
    """The Python that has libp2p. Raises DemoError, which says how to get one."""
    usual = [root / ENVIRONMENT / "bin" / "python" for root in (Path.cwd(), Path(sys.prefix).parent)]
    for python in [given] if given is not None else usual:
        if not python.exists():
            continue
        if subprocess.run([str(python), "-c", _CHECK], check=False).returncode != 0:  # noqa: S603
            raise DemoError(f"{python} has no libp2p and OpenTelemetry: run `make demo`, which installs them")
        return python
    raise DemoError(
        f"{given or usual[0]}: no Python with libp2p: run `make demo`, or name one with --p2p-python"
    )


def bridge(place: Path) -> Path:
    """A directory with this package and nothing else, so that the other Python sees no other library."""
    path = place / "path"
    path.mkdir()
    (path / "blackhole").symlink_to(Path(blackhole.__path__[0]).resolve(), target_is_directory=True)
    return path


def command_name() -> str:
    """How a person types `blackhole` here."""
    if shutil.which("blackhole"):
        return "blackhole"
    beside = Path(sys.executable).with_name("blackhole")
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


def free_or_any(base: int | None, say: Callable[[str], None]) -> tuple[int, ...]:
    """The ports to listen on; 0, and a word about it, where one is taken."""
    if base == 0:
        return (0, 0, 0)
    wanted = USUAL_PORTS if base is None else (base, base + 1, base + 2)
    taken = [port for port in wanted if not _is_free(port)]
    for port in taken:
        say(f"demo: port {port} is taken, so a free one is used")
    return tuple(0 if port in taken else port for port in wanted)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
