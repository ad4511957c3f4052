"""Turns what `blackhole env LANGUAGE` prints into a shop of that language that runs as it says."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.clients.programs import INSTRUMENT, PATIENCE, clean_environment, installed
from tests.clients.support import CLIENTS, ROOT
from tests.e2e.service import BLACKHOLE

SHOPS = CLIENTS / "env"
JARS = ROOT / ".build" / "env" / "java"
RUST = ROOT / ".build" / "env" / "rust"
HEAVY = "python3 -m tools.prepare --clients --heavy"
BUILDING = 500.0
_FILE = re.compile(r"^: <<'(?P<name>\S+)'\n(?P<text>.*?\n)(?P=name)$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """What was printed: a script, which sets variables, and in it commands as comments and a file."""

    script: str
    grpc: bool

    @property
    def commands(self) -> list[str]:
        return [line.removeprefix("# ") for line in self.script.splitlines() if line.startswith("# ")]

    def command(self, start: str) -> str:
        (found,) = (line for line in self.commands if line.startswith(start))
        return found

    def named(self, *start: str) -> set[str]:
        """The words after commands that begin so, as package managers take them."""
        told = (shlex.split(line, comments=True) for line in self.commands)
        return {word for words in told if words[: len(start)] == list(start) for word in words[len(start) :]}

    def write_file(self, place: Path) -> None:
        (file,) = _FILE.finditer(self.script)
        (place / file["name"]).write_text(file["text"])

    def run(self, service: str, command: str, place: Path, path: str = "") -> None:
        """In one shell, as a person does: the script, the name, the program."""
        name = self.command("export OTEL_SERVICE_NAME=").replace("your-service", service)
        search = {"PATH": f"{path}{os.environ['PATH']}"}
        call(["/bin/sh", "-euc", f"{self.script}\n{name}\nexec {command}"], place, PATIENCE, search)


def recipe(language: str, data: Path, *, grpc: bool) -> Recipe:
    command = [str(BLACKHOLE), "env", language, *(["--grpc"] if grpc else []), "--data-dir", str(data)]
    return Recipe(subprocess.check_output(command, text=True, timeout=PATIENCE), grpc)


def call(
    command: Sequence[str | Path], place: Path, seconds: float, more: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=place,
        env={**clean_environment(), **(more or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def tool(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is missing")


def python(told: Recipe, service: str, place: Path) -> None:
    installed(INSTRUMENT, "python3 -m tools.prepare --clients")
    line = told.command("opentelemetry-instrument").replace("your_program.py", str(SHOPS / "python/shop.py"))
    told.run(service, line, place, f"{INSTRUMENT.parent}:")


def node(told: Recipe, service: str, place: Path) -> None:
    del place
    installed(SHOPS / "node" / "node_modules", HEAVY)
    line = told.command("node ").replace("your_program.js", "shop.js")
    told.run(service, line, SHOPS / "node")


def modules(told: Recipe, service: str, place: Path) -> None:
    del place
    installed(SHOPS / "node" / "node_modules", HEAVY)
    _, option = told.command("ES modules").split(": ")
    line = told.command("node ").replace("your_program.js", "shop.mjs")
    told.run(service, line.replace("--require", f"{option} --require"), SHOPS / "node")


def java(told: Recipe, service: str, place: Path) -> None:
    tool("javac")
    installed(JARS, HEAVY)
    agent = JARS / "opentelemetry-javaagent.jar"
    libraries = sorted(set(JARS.glob("*.jar")) - {agent})
    shutil.copy(agent, place)
    call(
        ["javac", "-cp", ":".join(map(str, libraries)), "-d", ".", SHOPS / "java" / "Shop.java"],
        place,
        PATIENCE,
    )
    lines = [f"Class-Path: {libraries[0].as_uri()}", *(f"  {one.as_uri()}" for one in libraries[1:])]
    (place / "manifest").write_text("\n".join(["Main-Class: Shop", *lines]) + "\n")
    jar = "shop.jar"
    call(["jar", "cfm", jar, "manifest", *(one.name for one in place.glob("*.class"))], place, PATIENCE)
    told.run(service, told.command("java ").replace("your_program.jar", jar), place)


def go(told: Recipe, service: str, place: Path) -> None:
    tool("go")
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(SHOPS / "go" / name, place)
    told.write_file(place)
    call(["go", "build", "-mod=readonly", "-o", "shop", "."], place, BUILDING)
    told.run(service, "./shop", place)


def rust(told: Recipe, service: str, place: Path) -> None:
    tool("cargo")
    installed(RUST, HEAVY)
    project = place / "project"
    # Of their old times Cargo would take another program of this name for these files.
    shutil.copytree(SHOPS / "rust", project, copy_function=shutil.copyfile)
    told.write_file(project)
    features = ["--features", "grpc"] if told.grpc else []
    call(["cargo", "build", "--locked", "--target-dir", RUST, *features], project, BUILDING)
    told.run(service, str(RUST / "debug" / "shop"), place)


SHOP = {"python": python, "node": node, "modules": modules, "java": java, "go": go, "rust": rust}
