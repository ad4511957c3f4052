"""Finds the tools that building needs; installs what is missing where it may, else says what to install."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (3, 11)
NODE = (20, 19)


class MissingError(Exception):
    """Tools are missing that cannot be installed here; the text says which and how to get them."""


@dataclass(frozen=True)
class Tool:
    """`problem` answers why it cannot be used, or nothing. `package`: Debian's name."""

    name: str
    problem: Callable[[], str]
    package: str
    remedy: str


def require(*, demo: bool, clients: bool = False) -> None:
    """Makes sure that everything is there. Raises MissingError."""
    if sys.version_info < PYTHON:
        raise MissingError(
            f"Python {_dotted(PYTHON)} or newer is needed, this is {sys.version.split()[0]}: make PYTHON=…"
        )
    tools = needed(demo=demo, clients=clients)
    lacking = [tool for tool in tools if tool.problem()]
    if lacking and may_install():
        install([tool.package for tool in lacking])
        lacking = [tool for tool in tools if tool.problem()]
    if lacking:
        lines = [f"  {tool.name}: {tool.problem()}: {tool.remedy}" for tool in lacking]
        packages = " ".join(tool.package for tool in lacking)
        raise MissingError(
            "\n".join(["These tools are needed:", *lines, f"On Debian: apt-get install {packages}"])
        )


def needed(*, demo: bool, clients: bool = False) -> list[Tool]:
    compiler = Tool("a C compiler", lambda: _absent("cc"), "build-essential", "install gcc or clang")
    tools = [
        Tool("venv", _no_venv, "python3-venv", "install Python's venv and ensurepip modules"),
        compiler,
        Tool("cargo", _old_cargo, "cargo", "install Rust with rustup"),
        Tool("npm", _old_node, "npm", f"install Node.js {_dotted(NODE)} or newer"),
    ]
    if demo:
        tools.append(Tool("gmp.h", _no_gmp, "libgmp-dev", "install the GMP development files"))
    if clients:
        tools.append(Tool("go", lambda: _absent("go"), "golang-go", "install Go 1.26 or newer"))
    return tools


def _absent(program: str) -> str:
    return "" if shutil.which(program) else "not found"


def _no_venv() -> str:
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        return "not found"
    return ""


def _old_cargo() -> str:
    wanted = re.search(
        r'rust-version = "([\d.]+)"', (ROOT / "rust" / "Cargo.toml").read_text(encoding="utf-8")
    )
    return _older("cargo", _version(wanted[1]) if wanted else (1,))


def _old_node() -> str:
    return _absent("npm") or _older("node", NODE)


def _older(program: str, wanted: tuple[int, ...]) -> str:
    if _absent(program):
        return "not found"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    if found and _version(found[0]) >= wanted:
        return ""
    return f"version {_dotted(wanted)} or newer is needed, found {said.strip() or 'none'}"


def _no_gmp() -> str:
    if _absent("cc"):
        return "cannot be looked for without a C compiler"
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "gmp.c"
        source.write_text("#include <gmp.h>\n", encoding="utf-8")
        tried = subprocess.run(["cc", "-E", str(source)], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "not found"


def may_install() -> bool:
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str]) -> None:
    print(f"Installing {' '.join(packages)} with apt-get", flush=True)
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(
            ["apt-get", "-qq", *command],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
