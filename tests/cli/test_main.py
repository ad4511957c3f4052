import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from tests.cli.cli_fakes import Runner

import blackhole
import blackhole.cli
from blackhole.cli import COMMANDS, cli, main
from blackhole.errors import BlackholeError, PrivacyError, UnavailableError


def blackhole_process(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, **more}
    return subprocess.run(
        [sys.executable, "-m", "blackhole", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_version_is_that_of_the_distribution(run: Runner) -> None:
    assert run("version").out == f"blackhole {blackhole.__version__}\n"
    assert run("version", "--json").out == f'{{"version": "{blackhole.__version__}"}}\n'


def test_the_version_starts_nothing_heavy() -> None:
    text = (
        "import sys; from blackhole.cli import main; main(['version']);"
        "print({'duckdb', 'grpc', 'starlette', 'uvicorn', 'yaml', 'msgspec', 'ssl'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_every_reading_one_the_common_options(name: str, run: Runner) -> None:
    outcome = run(name, "--help")
    assert outcome.code == 0
    context = click.Context(cli)
    command = cli.get_command(context, name)
    leaves = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for leaf in leaves:
        assert isinstance(leaf, click.Command)
        options = {option for parameter in leaf.params for option in parameter.opts}
        reads = name not in {"serve", "demo", "conformance"}
        assert not reads or {"--config", "--data-dir", "--json"} <= options


def test_the_overview_names_every_command(run: Runner) -> None:
    outcome = run("--help")
    assert outcome.code == 0
    assert all(f"\n  {name} " in outcome.out for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["version", "--jso"], ["query"], ["sql", "x", "--max-rows", "0"]]
)
def test_wrong_usage_is_one_line_and_exit_2(arguments: list[str], run: Runner) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("blackhole: ")
    assert outcome.err.count("\n") == 1
    assert "--help`" in outcome.err


def test_nothing_said_shows_the_help_and_exits_2(run: Runner) -> None:
    outcome = run()
    assert (outcome.code, outcome.out) == (2, "")
    assert "Commands:" in outcome.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BlackholeError("it\nbroke"), 1),
        (UnavailableError("gone"), 3),
        (PrivacyError("private"), 4),
        (ZeroDivisionError("odd"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_are_one_line_with_their_exit_code(
    error: BaseException, code: int, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    outcome = run("version")
    assert outcome.code == code
    assert "Traceback" not in outcome.err
    assert outcome.err.count("\n") == (0 if code == 130 else 1)


def test_debug_shows_where_an_error_comes_from(run: Runner, tmp_path: Path) -> None:
    arguments = ["config", "check", str(tmp_path / "absent.yaml")]
    assert "Traceback" not in run(*arguments).err
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLACKHOLE_DEBUG", "1")
        assert "Traceback" in run(*arguments).err


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "blackhole", "catalogue", "list"], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(reading)
    os.close(writing)
    _, err = process.communicate(timeout=30)
    assert err == b""
    assert process.returncode == blackhole.cli.BROKEN_PIPE


def test_the_exit_code_is_that_of_the_process() -> None:
    assert blackhole_process("nonsense").returncode == 2
    assert blackhole_process("version").returncode == 0


def test_the_version_is_there_at_once() -> None:
    blackhole_process("version")
    began = time.perf_counter()
    assert blackhole_process("version").returncode == 0
    assert time.perf_counter() - began < 2  # a loose bar: other tests run beside this one


def test_main_takes_its_arguments_as_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out
