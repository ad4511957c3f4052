"""Programs of other languages that do as `blackhole env` prints are heard, by HTTP and by gRPC."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.clients.programs import PATIENCE
from tests.clients.recipes import SHOP, SHOPS, Recipe, recipe
from tests.clients.support import ROOT
from tests.e2e.service import BLACKHOLE, Service

SOLD = 20
INSTRUMENTED = {"python", "node", "modules", "java"}
LANGUAGE = {"modules": "node"}
# One runs in each `make test`: the others need what only --heavy prepares.
LIGHT = {"python"}
heavy = pytest.mark.skipif(
    not os.environ.get("BLACKHOLE_CLIENTS"), reason="takes minutes: run `make clients`"
)


def asked(data: Path, *arguments: str) -> dict[str, Any]:
    command = [str(BLACKHOLE), *arguments, "--data-dir", str(data), "--json"]
    found: dict[str, Any] = json.loads(subprocess.check_output(command, text=True, timeout=PATIENCE))
    return found


def by_service(data: Path, metric: str, aggregation: str) -> dict[str, float]:
    question = ("--agg", aggregation, "--by", "service.name", "--last", "1h", "--interval", "1h")
    return {
        series["attributes"]["service.name"]: sum(point["value"] for point in series["points"])
        for series in asked(data, "query", metric, *question)["series"]
    }


def refused(data: Path) -> dict[str, str]:
    return {one["metric"]: one["remedy"] for one in asked(data, "status")["refused"]}


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "shop", [name if name in LIGHT else pytest.param(name, marks=heavy) for name in SHOP]
)
def test_a_program_that_does_as_printed_is_heard_under_its_name(shop: str, tmp_path: Path) -> None:
    data, language = tmp_path / "data", LANGUAGE.get(shop, shop)
    with Service(data):
        for grpc in (False, True):
            place = tmp_path / ("grpc" if grpc else "http")
            place.mkdir()
            SHOP[shop](recipe(language, data, grpc=grpc), place.name, place)
            if not grpc:
                assert "blackhole catalogue allow" in refused(data)["shop.orders"]
                asked(data, "catalogue", "allow", "shop.orders")
        assert by_service(data, "shop.requests.total", "sum") == {"http": SOLD, "grpc": SOLD}
        assert by_service(data, "shop.request.duration", "count") == {"http": SOLD, "grpc": SOLD}
        assert by_service(data, "shop.orders", "sum") == {"grpc": 2 * SOLD}
        if shop in INSTRUMENTED:
            calls = by_service(data, "traces.span.metrics.calls", "sum")
            assert min(calls.get("http", 0), calls.get("grpc", 0)) >= SOLD
        assert asked(data, "status")["turned_away"] == []


both = pytest.mark.parametrize("grpc", [False, True])


def printed(language: str, tmp_path: Path, *, grpc: bool) -> Recipe:
    return recipe(language, tmp_path, grpc=grpc)


@both
def test_what_is_to_be_installed_is_what_these_programs_have(grpc: bool, tmp_path: Path) -> None:
    """Otherwise they would run with packages that nobody is told of."""
    pip = printed("python", tmp_path, grpc=grpc).named("pip", "install")
    assert pip <= set((ROOT / "requirements" / "clients.in").read_text().split())
    npm = printed("node", tmp_path, grpc=grpc).named("npm", "install")
    assert npm == set(json.loads((SHOPS / "node" / "package.json").read_text())["dependencies"])
    (artifact,) = (
        word for word in printed("java", tmp_path, grpc=grpc).named("mvn") if word.startswith("-Dartifact=")
    )
    _, group, name, _ = re.split("[=:]", artifact)
    pom = (SHOPS / "java" / "pom.xml").read_text()
    assert f"<groupId>{group}</groupId>" in pom
    assert f"<artifactId>{name}</artifactId>" in pom
    modules = printed("go", tmp_path, grpc=grpc).named("go", "get")
    direct = re.findall(r"^\s(\S+) v\S+$", (SHOPS / "go" / "go.mod").read_text(), re.MULTILINE)
    assert modules <= set(direct)


@both
def test_the_crates_and_features_are_those_that_these_programs_have(grpc: bool, tmp_path: Path) -> None:
    crates = printed("rust", tmp_path, grpc=grpc).named("cargo", "add")
    cargo = tomllib.loads((SHOPS / "rust" / "Cargo.toml").read_text())
    own = {name for name, told in cargo["dependencies"].items() if grpc or not isinstance(told, dict)}
    features = {"grpc-tonic", "macros,rt-multi-thread", "--features"} if grpc else set()
    assert crates == own | features


def test_the_locks_of_these_programs_name_every_version() -> None:
    lock = json.loads((SHOPS / "node" / "package-lock.json").read_text())["packages"]
    assert [name for name, package in lock.items() if "resolved" in package] == []
