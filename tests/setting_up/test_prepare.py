"""Setting up: steps run in order and side by side, once, and a failure shows the end of its log."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tools import needs, prepare
from tools.needs import MissingError, Tool
from tools.prepare import Step


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(prepare, "ROOT", tmp_path)
    monkeypatch.setattr(prepare, "BUILD", tmp_path / ".build")
    return tmp_path


def writes(path: Path, *, said: list[str]) -> Callable[[Step], None]:
    def run(step: Step) -> None:
        said.append(step.name)
        path.write_text("made", encoding="utf-8")

    return run


def test_a_step_runs_after_those_it_needs(root: Path) -> None:
    said: list[str] = []
    steps = [
        Step("c", writes(root / "c", said=said), [], [root / "c"], ["a", "b"]),
        Step("b", writes(root / "b", said=said), [], [root / "b"], ["a"]),
        Step("a", writes(root / "a", said=said), [], [root / "a"]),
    ]
    assert prepare.work_through(steps)
    assert said == ["a", "b", "c"]


def test_steps_that_need_nothing_of_each_other_run_side_by_side(root: Path) -> None:
    meeting = threading.Barrier(2, timeout=20)

    def meet(step: Step) -> None:
        meeting.wait()
        (root / step.name).touch()

    steps = [Step(name, meet, [], [root / name]) for name in ("a", "b")]
    assert prepare.work_through(steps)


def test_what_is_done_is_not_done_again_until_what_it_read_changes(root: Path) -> None:
    said: list[str] = []
    source = root / "source"
    source.write_text("one", encoding="utf-8")

    def again() -> list[str]:
        said.clear()
        assert prepare.work_through([Step("a", writes(root / "a", said=said), [source], [root / "a"])])
        return list(said)

    assert again() == ["a"]
    assert again() == []
    source.write_text("two", encoding="utf-8")
    assert again() == ["a"]
    (root / "a").unlink()
    assert again() == ["a"]


def test_a_failure_shows_the_end_of_its_log_and_stops_what_needs_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def fail(step: Step) -> None:
        lines = "; ".join(f"print('line {n}')" for n in range(100))
        step.call(sys.executable, "-c", f"{lines}; raise SystemExit(3)")

    steps = [
        Step("bad", fail, [], [root / "bad"]),
        Step("next", writes(root / "next", said=said), [], [root / "next"], ["bad"]),
        Step("other", writes(root / "other", said=said), [], [root / "other"]),
    ]
    assert not prepare.work_through(steps)
    assert said == ["other"]
    prepare.report(steps)
    told = capsys.readouterr()
    assert "✗ bad" in told.out
    assert "bad failed; the end of .build/log/bad.log:" in told.err
    assert "line 99" in told.err
    assert "line 1\n" not in told.err


def test_a_failed_step_is_tried_again(root: Path) -> None:
    def fail(_: Step) -> None:
        raise subprocess.CalledProcessError(1, "cargo")

    assert not prepare.work_through([Step("a", fail, [], [root / "a"])])
    said: list[str] = []
    assert prepare.work_through([Step("a", writes(root / "a", said=said), [], [root / "a"])])
    assert said == ["a"]


def test_every_step_of_the_real_plan_can_begin() -> None:
    plan = prepare.steps(demo=True, clients=True)
    before: set[str] = set()
    waiting = list(plan)
    while waiting:
        ready = [step for step in waiting if before.issuperset(step.after)]
        assert ready, [step.name for step in waiting]
        before |= {step.name for step in ready}
        waiting = [step for step in waiting if step not in ready]
    assert {step.name for step in prepare.steps(demo=False)} < before


def lacking(name: str) -> Tool:
    return Tool(name, lambda: "not found", f"{name}-dev", f"install {name}")


def test_missing_tools_are_all_named_with_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        needs, "needed", lambda *, demo, **_: [lacking("gmp.h"), lacking("npm")] if demo else []
    )
    monkeypatch.setattr(needs, "may_install", lambda: False)
    with pytest.raises(MissingError) as caught:
        needs.require(demo=True)
    message = str(caught.value)
    assert "gmp.h: not found: install gmp.h" in message
    assert "npm: not found: install npm" in message
    assert message.endswith("On Debian: apt-get install gmp.h-dev npm-dev")
    needs.require(demo=False)


def test_what_may_be_installed_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    tool = Tool("npm", lambda: "" if installed else "not found", "npm", "install npm")
    monkeypatch.setattr(needs, "needed", lambda *, demo, **_: [tool] if demo else [])
    monkeypatch.setattr(needs, "may_install", lambda: True)
    monkeypatch.setattr(needs, "install", installed.extend)
    needs.require(demo=True)
    assert installed == ["npm"]


def test_tools_are_looked_for_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    problems = {tool.name: tool.problem() for tool in needs.needed(demo=True, clients=True)}
    assert problems["go"] == problems["cargo"] == problems["npm"] == problems["a C compiler"] == "not found"
    assert "C compiler" in problems["gmp.h"]


def test_a_tool_that_is_too_old_is_named_with_the_version_that_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, version in (("cargo", "cargo 1.63.0"), ("npm", "9.2.0"), ("node", "v18.19.0")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{version}'\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    problems = {tool.name: tool.problem() for tool in needs.needed(demo=False)}
    assert problems["cargo"].startswith("version 1.")
    assert problems["cargo"].endswith("or newer is needed, found cargo 1.63.0")
    assert problems["npm"] == "version 20.19 or newer is needed, found v18.19.0"


def test_an_environment_can_be_used_while_steps_beside_it_start_programs(root: Path) -> None:
    """A program that was just written is busy for who starts it, as long as any other child has it open."""
    directory = root / "environment"
    prepare.environment(directory)(Step("environment", lambda _: None, [], [directory]))
    python = directory / "bin" / "python3"
    assert python.resolve().is_relative_to(sys.base_prefix)
    assert subprocess.run([python, "-c", ""], check=False).returncode == 0
