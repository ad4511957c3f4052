"""Runs instrumented programs beside a service, and says what they counted themselves."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from tests.clients.support import CLIENTS, ROOT
from tests.e2e.service import Service

INSTRUMENT = ROOT / ".venv-clients" / "bin" / "opentelemetry-instrument"
GO_SERVICE = ROOT / ".build" / "go" / "bin" / "service"
COLLECTOR = ROOT / ".build" / "go" / "bin" / "collector"
KUBO = ROOT / ".build" / "go" / "bin" / "ipfs"
PATIENCE = 60.0


def installed(path: Path, how: str) -> None:
    """Skips, with a word that says what to do, where a program of somebody else is not there."""
    if not path.exists():
        pytest.skip(f"{path.relative_to(ROOT)} is missing: run `{how}`")


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def otlp(service: Service, name: str, seconds: float | None) -> dict[str, str]:
    """What the README says to set; `seconds`: between two exports, None for OpenTelemetry's 60."""
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{service.ready['otlp_grpc']}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_SERVICE_NAME": name,
    }
    return told if seconds is None else {**told, "OTEL_METRIC_EXPORT_INTERVAL": f"{seconds * 1000:.0f}"}


@dataclass
class Program:
    """A child; leaving the context kills it. `told`: its output, read as JSON once it has finished."""

    command: Sequence[str | Path]
    environment: Mapping[str, str]
    log: Path
    told: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        with self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                env={**clean_environment(), **self.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        return self

    def finished(self, seconds: float) -> dict[str, Any]:
        """Ends its input, which ends it."""
        output, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, self.log.read_text()[-3000:]
        self.told = json.loads(output.splitlines()[-1])
        return self.told

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def flask(log: Path, environment: Mapping[str, str]) -> Program:
    installed(INSTRUMENT, "python3 -m tools.prepare --clients")
    python = INSTRUMENT.with_name("python")
    return Program([INSTRUMENT, python, CLIENTS / "flask_service.py"], environment, log)


def go_service(log: Path, environment: Mapping[str, str]) -> Program:
    installed(GO_SERVICE, "python3 -m tools.prepare --clients")
    return Program([GO_SERVICE], environment, log)
