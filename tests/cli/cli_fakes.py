"""A service that answers as it is told, and a way to run command lines."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from blackhole.cli import main


@dataclass
class Asked:
    method: str
    path: str
    body: Any
    token: str | None


@dataclass
class FakeService:
    """Answers `/healthz`, and every other path as `answers` says; remembers what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class Runner:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Outcome:
        code = main(list(arguments))
        captured = self._capsys.readouterr()
        return Outcome(code, captured.out, captured.err)
