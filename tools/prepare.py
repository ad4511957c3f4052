"""Turns a clean clone into one that runs: finds tools, installs side by side, builds (`-m tools.prepare`).

Needs nothing but Python. What is done already is not done again: every step remembers a hash of what it read.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.needs import MissingError, require

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
VENV = ROOT / ".venv"
VENV_DEMO = ROOT / ".venv-demo"
VENV_CLIENTS = ROOT / ".venv-clients"
CLIENTS = ROOT / "tests" / "clients"
# Programs that do what `blackhole env` prints.
SHOPS = CLIENTS / "env"
# What is built of the modules in tests/clients.
PROGRAMS = {"go-service": "service", "go-collector": "collector", "go-kubo": "ipfs"}
TAIL = 25  # lines of a log that are shown when a step fails
QUIET = 15  # seconds without a line, where the line cannot be rewritten
SKIPPED_DIRECTORIES = {"node_modules", "target", "dist", "__pycache__"}


@dataclass
class Step:
    """One piece of work. `reads`: what it depends on; `makes`: what must be there when it is done."""

    name: str
    run: Callable[["Step"], None]
    reads: Sequence[Path]
    makes: Sequence[Path]
    after: Sequence[str] = ()
    state: str = "waiting"
    begun: float = 0.0
    ended: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def log(self) -> Path:
        return BUILD / "log" / f"{self.slug}.log"

    @property
    def stamp(self) -> Path:
        return BUILD / "stamps" / self.slug

    @property
    def slug(self) -> str:
        return self.name.replace(" ", "-")

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in files(self.reads):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
        digest.update(str(ROOT).encode() + sys.version.encode())
        return digest.hexdigest()

    def is_fresh(self) -> bool:
        made = all(path.exists() for path in self.makes)
        return made and self.stamp.exists() and self.stamp.read_text() == self.fingerprint()

    def call(self, *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
        """Runs a command, its output in the log. Raises CalledProcessError."""
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            subprocess.run(
                [str(part) for part in command],
                cwd=cwd,
                env={**os.environ, "NO_COLOR": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )


def files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            for folder, directories, names in os.walk(path):
                directories[:] = sorted(d for d in directories if d not in SKIPPED_DIRECTORIES)
                yield from (Path(folder) / name for name in sorted(names))


def environment(directory: Path) -> Callable[[Step], None]:
    def run(_: Step) -> None:
        if _version_of(directory / "bin" / "python") != sys.version:
            # A copied interpreter is busy while a step beside it starts a program with its open file.
            venv.EnvBuilder(with_pip=True, clear=directory.exists(), symlinks=True).create(directory)

    return run


def _version_of(python: Path) -> str:
    if not python.exists():
        return ""
    asked = subprocess.run(
        [python, "-c", "import sys; print(sys.version, end='')"], capture_output=True, text=True, check=False
    )
    return asked.stdout


def pip(directory: Path, lock: str) -> Callable[[Step], None]:
    def run(step: Step) -> None:
        python = directory / "bin" / "python"
        step.call(
            python, "-m", "pip", "install", "--no-input", "--require-hashes", "-r", f"requirements/{lock}.txt"
        )

    return run


def compile_core(step: Step) -> None:
    maturin = VENV / "bin" / "maturin"
    step.call(maturin, "develop", "--release", "--locked", "--skip-install", env={"VIRTUAL_ENV": str(VENV)})


def install_package(step: Step) -> None:
    maturin = VENV / "bin" / "maturin"
    step.call(maturin, "develop", "--release", "--locked", env={"VIRTUAL_ENV": str(VENV)})


def compile_catalogue(step: Step) -> None:
    step.call(VENV / "bin" / "python", "-m", "blackhole.catalogue.compile")


def install_web(step: Step) -> None:
    step.call("npm", "ci", "--no-audit", "--no-fund", cwd=ROOT / "web")


def build_web(step: Step) -> None:
    step.call("npm", "run", "build", cwd=ROOT / "web")


def install_clients(step: Step) -> None:
    step.call("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=CLIENTS / "js")


def build_go_clients(step: Step) -> None:
    for module in (CLIENTS / "go.txt").read_text(encoding="utf-8").split():
        step.call("nice", "go", "install", module, cwd=BUILD, env={"GOBIN": str(BUILD / "go" / "bin")})


def install_node_shop(step: Step) -> None:
    step.call("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=SHOPS / "node")


def fetch_java_agent(step: Step) -> None:
    copy = ("dependency:copy-dependencies", f"-DoutputDirectory={BUILD / 'env' / 'java'}")
    step.call("mvn", "-B", "-q", *copy, "-Dmdep.stripVersion=true", cwd=SHOPS / "java")


def build_crates(step: Step) -> None:
    """The crates alone, as the tests use them: their own file of the program is printed for them."""
    place = BUILD / "env" / "rust-crates"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(SHOPS / "rust", place)
    (place / "src" / "main.rs").write_text("fn main() {}\n", encoding="utf-8")
    for features in ((), ("--features", "grpc")):
        build = ("nice", "cargo", "build", "--locked", "--target-dir", BUILD / "env" / "rust")
        step.call(*build, *features, cwd=place)


def go_program(name: str, package: str = ".", *flags: str) -> Callable[[Step], None]:
    """Builds the program of the module in tests/clients/NAME, of just the versions that its go.sum names."""

    def run(step: Step) -> None:
        target = BUILD / "go" / "bin" / PROGRAMS[name]
        build = ("nice", "go", "build", "-mod=readonly", "-ldflags", "-s -w", *flags)
        step.call(*build, "-o", target, package, cwd=CLIENTS / name)

    return run


def go_step(name: str, words: str, package: str = ".", *flags: str) -> Step:
    target = BUILD / "go" / "bin" / PROGRAMS[name]
    return Step(words, go_program(name, package, *flags), [CLIENTS / name], [target])


def heavy_steps() -> list[Step]:
    """Programs of which a build takes minutes; their tests are skipped where they are not there."""
    return [
        go_step("go-collector", "Collector", ".", "-tags", "remove_all_sd"),
        go_step("go-kubo", "Kubo", "github.com/ipfs/kubo/cmd/ipfs"),
        Step(
            "Node's shop",
            install_node_shop,
            [SHOPS / "node/package-lock.json"],
            [SHOPS / "node/node_modules"],
        ),
        Step("crates", build_crates, [SHOPS / "rust"], [BUILD / "env" / "rust"]),
        *java_steps(),
    ]


def java_steps() -> list[Step]:
    """Nothing else needs Java: where Maven is not there, its tests are skipped."""
    if shutil.which("mvn") is None:
        return []
    agent = BUILD / "env" / "java" / "opentelemetry-javaagent.jar"
    return [Step("Java agent", fetch_java_agent, [SHOPS / "java" / "pom.xml"], [agent])]


def client_steps() -> list[Step]:
    """Other people's programs: clients that the tests send with, and what the engine is compared to."""
    packages = CLIENTS / "js" / "package-lock.json"
    programs = BUILD / "go" / "bin"
    locks = ROOT / "requirements"
    return [
        Step("JavaScript clients", install_clients, [packages], [CLIENTS / "js" / "node_modules"]),
        Step(
            "oracles",
            pip(VENV, "oracles"),
            [ROOT / "requirements" / "oracles.txt"],
            [VENV / "bin" / "python"],
            ["python packages"],
        ),
        Step("Go clients", build_go_clients, [CLIENTS / "go.txt"], [programs / "telemetrygen"]),
        go_step("go-service", "Go service"),
        Step("clients' environment", environment(VENV_CLIENTS), [], [VENV_CLIENTS / "bin" / "python"]),
        Step(
            "clients' packages (Flask)",
            pip(VENV_CLIENTS, "clients"),
            [locks / "clients.txt"],
            [VENV_CLIENTS / "bin" / "opentelemetry-instrument"],
            ["clients' environment"],
        ),
    ]


def steps(*, demo: bool, clients: bool = False) -> list[Step]:
    catalogue = ROOT / "src" / "blackhole" / "catalogue"
    locks = ROOT / "requirements"
    rust = [ROOT / "rust", ROOT / "pyproject.toml", locks / "build.txt"]
    web = ROOT / "web"
    core = ROOT / "src" / "blackhole" / "_core.abi3.so"
    product = [
        Step("environment", environment(VENV), [], [VENV / "bin" / "python"]),
        Step(
            "build tools",
            pip(VENV, "build"),
            [locks / "build.txt"],
            [VENV / "bin" / "maturin"],
            ["environment"],
        ),
        Step(
            "python packages",
            pip(VENV, "dev"),
            [locks / "dev.txt"],
            [VENV / "bin" / "pytest"],
            ["build tools"],
        ),
        Step("rust core", compile_core, rust, [core], ["build tools"]),
        Step(
            "package",
            install_package,
            [*rust, locks / "dev.txt", ROOT / "README.md", ROOT / "LICENSE"],
            [VENV / "bin" / "blackhole", core],
            ["python packages", "rust core"],
        ),
        Step(
            "catalogue",
            compile_catalogue,
            [p for p in sorted(catalogue.rglob("*")) if p.suffix in {".py", ".yaml"}],
            [catalogue / "builtin" / "compiled.json"],
            ["package"],
        ),
        Step("web packages", install_web, [web / "package-lock.json"], [web / "node_modules"]),
        Step(
            "dashboard",
            build_web,
            [web],
            [ROOT / "src" / "blackhole" / "serve" / "static" / "index.html"],
            ["web packages"],
        ),
    ]
    return [*product, *(demo_steps() if demo else []), *(client_steps() if clients else [])]


def demo_steps() -> list[Step]:
    return [
        Step("demo environment", environment(VENV_DEMO), [], [VENV_DEMO / "bin" / "python"]),
        Step(
            "demo packages (libp2p)",
            pip(VENV_DEMO, "demo"),
            [ROOT / "requirements" / "demo.txt"],
            [VENV_DEMO / "bin" / "python"],
            ["demo environment"],
        ),
    ]


class Board:
    """Shows what runs: a line when a step ends, and meanwhile what is running."""

    def __init__(self, work: Sequence[Step]) -> None:
        self._work = work
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._terminal = sys.stdout.isatty()
        self._quiet_since = self._begun

    def ended(self, step: Step, mark: str) -> None:
        with self._lock:
            self._clear()
            took = step.ended - step.begun
            print(f"[{self._elapsed():4.0f} s] {mark} {step.name} ({took:.0f} s)", flush=True)
            self._quiet_since = time.monotonic()

    def tick(self) -> None:
        now = time.monotonic()
        running = [f"{s.name} {now - s.begun:.0f} s" for s in self._work if s.state == "running"]
        with self._lock:
            if running and self._terminal:
                self._clear()
                print(f"[{self._elapsed():4.0f} s] … {' · '.join(running)}"[:110], end="", flush=True)
            elif running and now - self._quiet_since > QUIET:
                print(f"[{self._elapsed():4.0f} s] … {' · '.join(running)}", flush=True)
                self._quiet_since = now

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    def _clear(self) -> None:
        if self._terminal:
            print("\r\033[K", end="")


def work_through(work: Sequence[Step]) -> bool:
    """Runs the steps, each as soon as those before it are done. False when one failed."""
    for folder in ("log", "stamps"):
        (BUILD / folder).mkdir(parents=True, exist_ok=True)
    board = Board(work)
    known = {step.name: step for step in work}
    threads = [threading.Thread(target=_perform, args=(step, known, board), daemon=True) for step in work]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        board.tick()
        time.sleep(0.5)
    return all(step.state == "done" for step in work)


def _perform(step: Step, known: Mapping[str, Step], board: Board) -> None:
    try:
        before = [known[name] for name in step.after]
        for other in before:
            other.done.wait()
        if any(other.state != "done" for other in before):
            step.state = "skipped"
        elif step.is_fresh():
            step.state = "done"
        else:
            _run(step, board)
    finally:
        step.done.set()


def _run(step: Step, board: Board) -> None:
    step.log.write_bytes(b"")
    step.state, step.begun = "running", time.monotonic()
    read = step.fingerprint()
    try:
        step.run(step)
    except (subprocess.CalledProcessError, OSError) as error:
        with step.log.open("a", encoding="utf-8") as log:
            log.write(f"{error}\n")
        step.state = "failed"
    else:
        step.stamp.write_text(read)
        step.state = "done"
    step.ended = time.monotonic()
    board.ended(step, "✓" if step.state == "done" else "✗")


def report(work: Sequence[Step]) -> None:
    for step in work:
        if step.state == "failed":
            tail = step.log.read_text(errors="replace").splitlines()[-TAIL:]
            shown = step.log.relative_to(ROOT)
            print(f"\n{step.name} failed; the end of {shown}:\n  " + "\n  ".join(tail), file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--demo", action="store_true", help="also prepare the demo's own environment (libp2p)"
    )
    parser.add_argument(
        "--clients", action="store_true", help="also install other people's clients, for tests"
    )
    parser.add_argument(
        "--heavy",
        action="store_true",
        help="also build a Collector and a Kubo with Go, and shops of other languages",
    )
    options = parser.parse_args()
    work = steps(demo=options.demo, clients=options.clients) + (heavy_steps() if options.heavy else [])
    if all(step.is_fresh() for step in work):
        return 0
    try:
        require(demo=options.demo, clients=options.clients or options.heavy)
    except MissingError as error:
        print(error, file=sys.stderr)
        return 1
    print("Preparing the clone: pip, cargo and npm side by side; logs in .build/log")
    if work_through(work):
        return 0
    report(work)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the next run goes on where this one stopped")
