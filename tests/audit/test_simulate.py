"""`privacy simulate`: the guard's own releases, from a file of lines, with the receipt and plain errors."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from blackhole.audit.law import noise_law
from blackhole.cli import main
from blackhole.privacy.budget import rho_of
from blackhole.privacy.mechanism import Mechanism

WHY = "description: An input of these tests, privacy: highly_sensitive, purpose: Are simulations right?"
USER = "privacy_unit: {name: user, keys: [user.id]}"
CATALOGUE = f"""
metrics:
- {{name: tried.gauge, type: gauge, unit: ms, {WHY}, {USER}, bounds: [0, 64]}}
- {{name: tried.histogram, type: histogram, unit: ms, {WHY}, {USER}, bounds: [0, 5], buckets: [10, 100.5],
   keep: [kind], values: {{kind: [a]}}}}
- {{name: tried.level, type: updowncounter, unit: "{{thing}}", {WHY}, {USER}, bounds: [-8, 8]}}
"""


class Desk:
    """A directory to work in, and the command."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.capsys = capsys
        (directory / "catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
        (directory / "analytics.yaml").write_text(
            f"analytics: {{catalogue: [{directory}/catalogue.yaml]}}", encoding="utf-8"
        )
        self.output = directory / "out.ndjson"

    def run(self, metric: str, lines: list[Any], trials: Any = 50, **options: Any) -> int:
        source = self.directory / "in.ndjson"
        text = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        source.write_text("\n".join(text) + "\n", encoding="utf-8")
        settings = {"epsilon": "1", "config": f"{self.directory}/analytics.yaml", **options}
        flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
        named = ["--metric", metric, "--input", str(source), "--output", str(self.output)]
        return main(["privacy", "simulate", *named, "--trials", str(trials), *flags])

    def receipt(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return found

    def error(self) -> str:
        said = self.capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        return said.err

    def released(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def upload(user: str, value: float = 1, kind: str = "upload") -> dict[str, Any]:
    return {"value": value, "attributes": {"type": kind, "user.id": user}, "time": "2026-01-01T00:00:00Z"}


def by_group(released: list[dict[str, Any]]) -> Mapping[str, list[float]]:
    values = defaultdict(list)
    for line in released:
        values[json.dumps(line["group"])].append(line["value"])
    return values


def test_each_trial_releases_every_declared_group_with_noise_of_exactly_that_budget(desk: Desk) -> None:
    lines = [upload(f"u{i}") for i in range(60)] + [upload("u1", 500), upload("u2", 1, "never declared")]
    assert desk.run("content.operations", lines, trials=2000) == 0
    receipt, values = desk.receipt(), by_group(desk.released())
    assert {json.loads(group)["type"] for group in values} == {
        "upload",
        "download",
        "delete",
        "share",
        "other",
    }
    assert all(len(column) == 2000 for column in values.values())
    assert (receipt["mechanism"], receipt["delta"], receipt["bounds"]) == (Mechanism.GAUSSIAN, 1e-9, [0, 1])
    assert receipt["epsilon"] == pytest.approx(1.0, rel=1e-6)
    assert receipt["rho"] == rho_of(1.0, 1e-9)
    assert receipt["scale"] == pytest.approx(
        math.sqrt(receipt["groups_per_unit"] / (2 * receipt["rho"])), rel=1e-3
    )
    for group, exact in (("upload", 60.0), ("other", 1.0), ("share", 0.0)):
        found = noise_law(
            values[json.dumps({"type": group})], exact, Mechanism.GAUSSIAN, receipt["scale"], 1.0
        )
        assert found.passed, found.words


def test_delta_0_gives_discrete_laplace_noise(desk: Desk) -> None:
    assert desk.run("content.operations", [upload("u1")], trials=2000, delta="0", epsilon="0.5") == 0
    receipt, values = desk.receipt(), by_group(desk.released())
    assert (receipt["mechanism"], receipt["epsilon"], receipt["rho"]) == (Mechanism.LAPLACE, 0.5, None)
    assert receipt["scale"] == receipt["groups_per_unit"] / 0.5
    assert noise_law(values['{"type": "upload"}'], 1.0, Mechanism.LAPLACE, receipt["scale"], 1.0).passed


def test_two_runs_share_no_noise(desk: Desk) -> None:
    """There is no seed."""
    outputs = []
    for _ in range(2):
        assert desk.run("content.operations", [upload("u1")]) == 0
        outputs.append([line["value"] for line in desk.released()])
    assert outputs[0] != outputs[1]


def test_a_gauge_has_the_sum_and_count_of_its_mean(desk: Desk) -> None:
    lines = [{"value": v, "attributes": {"user.id": f"u{i}"}} for i, v in enumerate([10, 20, 99, 30])]
    lines.append({"value": 40, "attributes": {"user.id": "u3"}})  # the last one counts
    assert desk.run("tried.gauge", lines, trials=400, epsilon="40") == 0
    released = desk.released()
    assert fmean(line["sum"] for line in released) == pytest.approx(10 + 20 + 64 + 40, abs=3)
    assert fmean(line["count"] for line in released) == pytest.approx(4, abs=0.1)
    for line in released:
        assert line["value"] == (line["sum"] / line["count"] if line["count"] > 0 else None)


def test_a_histogram_has_a_line_a_bucket(desk: Desk) -> None:
    lines = [{"value": v, "attributes": {"user.id": f"u{v}", "kind": "a"}} for v in (5, 10, 50, 1000)]
    assert desk.run("tried.histogram", lines, trials=400, epsilon="40") == 0
    means = {group: fmean(values) for group, values in by_group(desk.released()).items()}
    named = {(json.loads(group)["kind"], json.loads(group)["le"]): mean for group, mean in means.items()}
    exact = {("a", "10"): 2, ("a", "100.5"): 1, ("a", "+Inf"): 1}
    assert named.keys() == {*exact, ("other", "10"), ("other", "100.5"), ("other", "+Inf")}
    assert all(named[cell] == pytest.approx(exact.get(cell, 0), abs=0.4) for cell in named)


def test_a_level_is_the_same_in_every_trial(desk: Desk) -> None:
    lines = [{"value": -50, "attributes": {"user.id": "u1"}}, {"value": 3, "attributes": {"user.id": "u2"}}]
    assert desk.run("tried.level", lines, trials=600, epsilon="40") == 0
    values = [line["value"] for line in desk.released()]
    assert fmean(values[:300]) == pytest.approx(-8 + 3, abs=0.6)
    assert fmean(values[300:]) == pytest.approx(-8 + 3, abs=0.6)


def test_an_empty_file_is_released_as_zeros_with_noise(desk: Desk) -> None:
    assert desk.run("tried.level", [""], trials=600, epsilon="40") == 0
    assert fmean(line["value"] for line in desk.released()) == pytest.approx(0, abs=0.6)


def test_no_database_is_touched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(desk.directory / "data"))
    assert desk.run("content.operations", [upload("u1")]) == 0
    assert not (desk.directory / "data").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilon": "0"}, "--epsilon"),
        ({"epsilon": "nan"}, "--epsilon"),
        ({"epsilon": "-1"}, "--epsilon"),
        ({"epsilon": "inf"}, "--epsilon"),
        ({"delta": "1"}, "--delta"),
        ({"delta": "nan"}, "--delta"),
        ({"trials": "0"}, "--trials"),
    ],
)
def test_a_budget_that_is_none_is_wrong_usage(desk: Desk, options: dict[str, Any], words: str) -> None:
    assert desk.run("content.operations", [upload("u1")], **options) == 2
    assert words in desk.error()


def test_a_bad_line_is_wrong_usage_and_named_by_its_number(desk: Desk) -> None:
    assert desk.run("content.operations", [upload("u1"), '{"value": "secret"}']) == 2
    assert "in.ndjson, line 2" in desk.error()


def test_lines_that_the_guard_refuses_are_wrong_usage(desk: Desk) -> None:
    assert desk.run("content.operations", [upload("u1", -1)]) == 2
    assert "content.operations" in desk.error()


def test_an_unknown_metric_is_answered_with_near_names(desk: Desk) -> None:
    assert desk.run("content.operation", [upload("u1")]) == 1
    assert "content.operations" in desk.error()


def test_a_metric_without_noise_is_refused_by_the_rules_of_privacy(desk: Desk) -> None:
    assert desk.run("process.cpu.usage", [upload("u1")]) == 4
    assert "no noise is added to it" in desk.error()


def test_an_output_that_cannot_be_written_is_named(desk: Desk) -> None:
    desk.output = desk.directory / "no" / "such" / "place"
    assert desk.run("content.operations", [upload("u1")]) == 2
    assert "cannot be written" in desk.error()
