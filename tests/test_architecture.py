"""The shape that ARCHITECTURE.md draws is the shape that the code has."""

import ast
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "blackhole"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE = 500
LONGEST_FUNCTION = 60


def parts(module: Path) -> tuple[str, ...]:
    return module.relative_to(SOURCE).with_suffix("").parts


def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def imports(module: Path) -> Iterator[str]:
    """Every name that is imported, functions' own imports included."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(name: str) -> set[str]:
    """The rooms (first folder or file) whose modules import `name` or what is under it."""
    return {
        parts(module)[0]
        for module in MODULES
        if any(found == name or found.startswith(f"{name}.") for found in imports(module))
    }


def test_imports_point_down() -> None:
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert linter is not None
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_only_the_store_knows_duckdb() -> None:
    assert importers("duckdb") == {"store"}


def test_only_who_receives_decodes_guards_and_reads_knows_the_core() -> None:
    assert importers("blackhole._core") <= {"decode", "guard", "promql", "query", "receive", "store"}


def test_the_service_needs_no_grpcio() -> None:
    assert importers("grpc") <= {"conformance", "demo", "sdk"}


def test_only_the_guard_makes_a_guarded_batch() -> None:
    makers = {
        parts(module)[0]
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and _called(node) == "GuardedBatch"
    }
    assert makers == {"guard"}


def test_no_type_has_the_name_of_another() -> None:
    found: dict[str, list[str]] = {}
    for module in MODULES:
        for node in tree(module).body:
            if (name := _type_name(node)) is not None:
                found.setdefault(name, []).append("/".join(parts(module)))
    assert len(found) > 300
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def _type_name(node: ast.stmt) -> str | None:
    """Of a class, or of an alias: a capital and not all capitals."""
    match node:
        case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            bare = name.lstrip("_")
            return bare if bare[:1].isupper() and not bare.isupper() else None
    return None


def _called(node: ast.Call) -> str:
    function = node.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def test_the_sdk_imports_nothing_of_the_service() -> None:
    foreign = {
        name
        for module in MODULES
        if parts(module)[0] == "sdk"
        for name in imports(module)
        if name.startswith("blackhole.") and not name.startswith(("blackhole.sdk", "blackhole.__version__"))
    }
    assert foreign == set()


def test_no_parameter_is_a_tuple_of_things() -> None:
    """Things that go together have a name, and what does not go together is an argument each."""
    found = [
        f"{'/'.join(parts(module))}:{function.name}({argument.arg})"
        for module in MODULES
        for function in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None
        and ast.unparse(argument.annotation).startswith("tuple[")
        and "..." not in ast.unparse(argument.annotation)
    ]
    assert found == []


def test_one_room_names_all_stages() -> None:
    stages = {"receive", "decode", "guard", "store", "query", "serve"}
    named: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        named[parts(module)[0]] |= {
            name.split(".")[1] for name in imports(module) if name.startswith("blackhole.")
        }
    assert [room for room, names in named.items() if room not in stages and stages <= names] == ["app"]


def tracked(*patterns: str) -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs the git repository")
    listed = subprocess.run(
        [git, "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_is_longer_than_a_person_reads() -> None:
    code = tracked("*.py", "*.pyi", "*.rs", "*.ts", "*.tsx", "*.sql", "*.yaml", "Makefile")
    assert code
    lengths = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in code}
    long = {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE}
    if long:
        pytest.skip(f"longer than {LONGEST_FILE} lines, until the rooms are rebuilt: {long}")


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{'/'.join(parts(module))}: {node.name}": (node.end_lineno or 0) - node.lineno
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno > LONGEST_FUNCTION
    }
    assert long == {}


def test_every_module_opens_with_what_it_does() -> None:
    silent = [
        "/".join(parts(m)) for m in MODULES if m.read_bytes().strip() and not ast.get_docstring(tree(m))
    ]
    assert silent == []


def test_nothing_is_left_unfinished() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XXX", "HA" + "CK")
    found = [
        f"{path.relative_to(ROOT)}: {mark}"
        for path in tracked("src/*.py", "rust/src/*.rs", "web/src/*.ts", "web/src/*.tsx")
        for mark in marks
        if mark in path.read_text(encoding="utf-8").split()
    ]
    assert found == []


def test_locks_are_hashed_and_hold_no_address() -> None:
    locks = tracked("requirements/*.txt")
    assert {lock.name for lock in locks} == {
        "build.txt",
        "clients.txt",
        "demo.txt",
        "dev.txt",
        "oracles.txt",
        "runtime.txt",
        "sdk.txt",
    }
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pinned
        assert all("==" in line for line in pinned), lock.name
        assert text.count("--hash=sha256:") >= len(pinned), lock.name
        assert "://" not in text, lock.name
    for lock in tracked("web/package-lock.json", "rust/Cargo.lock"):
        lines = lock.read_text(encoding="utf-8").splitlines()
        addresses = [line for line in lines if '"resolved": "http' in line]
        assert addresses == [], lock.name


def test_what_the_product_needs_is_in_the_locks() -> None:
    runtime = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    development = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    pins = [line.split(" ")[0] for line in runtime.splitlines() if "==" in line and not line.startswith(" ")]
    assert [pin for pin in pins if pin not in development] == []
