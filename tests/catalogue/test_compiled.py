"""The compiled catalogue says the same as the YAML, is quick, and is never used when it is stale."""

import shutil
import time
from pathlib import Path

import pytest

from blackhole.catalogue import compile as compile_command
from blackhole.catalogue import compiled
from blackhole.catalogue.load import BUILTIN, Catalogue, builtin
from blackhole.errors import CatalogueError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for path in BUILTIN.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_compiled_and_yaml_are_equal(directory: Path) -> None:
    count = compiled.write(directory)
    read = compiled.read(directory)
    assert read == compiled.parse_all(directory)
    assert count == len(read)


def test_without_a_compiled_file_the_yaml_is_read(directory: Path) -> None:
    assert compiled.read(directory) is None
    assert builtin(directory) == compiled.parse_all(directory)


@pytest.mark.parametrize("change", ["edit", "add", "remove", "damage"])
def test_a_stale_compiled_file_is_not_used(directory: Path, change: str) -> None:
    compiled.write(directory)
    one = directory / "signals.yaml"
    if change == "edit":
        one.write_text(
            one.read_text(encoding="utf-8").replace("purpose: How", "purpose: So how"), encoding="utf-8"
        )
    elif change == "add":
        (directory / "more.yaml").write_text("metrics: []\n", encoding="utf-8")
    elif change == "remove":
        one.unlink()
    else:
        (directory / compiled.NAME).write_bytes(b"[{}]")
    assert compiled.read(directory) is None
    assert builtin(directory) == compiled.parse_all(directory)


def test_the_compiled_catalogue_loads_in_10_ms(directory: Path) -> None:
    compiled.write(directory)
    taken = []
    for _ in range(5):
        begun = time.process_time()
        Catalogue(builtin(directory))
        taken.append(time.process_time() - begun)
    assert min(taken) <= 0.010


def test_the_command_compiles_and_says_how_many(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compile_command, "BUILTIN", directory)
    assert compile_command.main() == 0
    assert capsys.readouterr().out == f"{len(compiled.parse_all(directory))} catalogue entries compiled\n"


def test_the_command_fails_on_a_broken_file_with_one_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "broken.yaml").write_text("metrics:\n  - name: x\n", encoding="utf-8")
    monkeypatch.setattr(compile_command, "BUILTIN", directory)
    assert compile_command.main() == CatalogueError.exit_code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "broken.yaml: x: `description` is missing" in error
