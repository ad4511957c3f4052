"""The wheel is all that a node needs: where there is no cargo and no npm, it runs and serves its page.

`make test` builds the wheel and names it in BLACKHOLE_WHEEL; without that these tests are left out.
"""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEEL = os.environ.get("BLACKHOLE_WHEEL", "")

pytestmark = [
    pytest.mark.xdist_group("wheel"),
    pytest.mark.skipif(not WHEEL, reason="BLACKHOLE_WHEEL names no wheel: run `make test`"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def wheel() -> Path:
    return (ROOT / WHEEL).resolve(strict=True)


@pytest.fixture(scope="module")
def blackhole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that holds the hashed runtime lock and the wheel."""
    directory = tmp_path_factory.mktemp("node") / "venv"
    subprocess.run([sys.executable, "-m", "venv", directory], check=True, timeout=120)
    pip: list[str | Path] = [directory / "bin" / "python", "-m", "pip", "install", "-q", "--no-input"]
    lock = ROOT / "requirements" / "runtime.txt"
    subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", lock], check=True, timeout=240)
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, timeout=120)
    return directory / "bin" / "blackhole"


def bare(home: Path) -> dict[str, str]:
    """An environment without cargo, npm, node or the clone."""
    return {"PATH": str(home), "HOME": str(home), "LANG": "C.UTF-8"}


def test_the_wheel_holds_core_page_and_compiled_catalogue(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert any(re.fullmatch(r"blackhole/_core\.abi3\.\w+", name) for name in names)
    assert "blackhole/serve/static/index.html" in names
    assert "blackhole/catalogue/builtin/compiled.json" in names
    assert "blackhole/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(re.fullmatch(r"blackhole/store/schema/.+\.sql", name) for name in names)
    strangers = [name for name in names if name.split("/")[0] != "blackhole" and ".dist-info/" not in name]
    assert strangers == []


def test_the_installed_command_says_its_version(blackhole: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [blackhole, "version"], env=bare(tmp_path), capture_output=True, text=True, check=True, timeout=60
    )
    version = WHEEL.split("/")[-1].split("-")[1]
    assert version in done.stdout


@pytest.fixture
def service(blackhole: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    ports = [f"--{name}=127.0.0.1:0" for name in ("otlp-grpc", "otlp-http", "listen")]
    with subprocess.Popen(
        [blackhole, "serve", "--data-dir", tmp_path / "data", *ports],
        env=bare(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        word, _, told = process.stdout.readline().partition(" ")
        assert word == "ready", process.communicate(timeout=10)[1]
        try:
            yield process, json.loads(told)
        finally:
            process.kill()


def test_it_serves_its_page_and_api_and_stops_in_order(
    service: tuple[subprocess.Popen[str], dict[str, str]],
) -> None:
    process, addresses = service
    with httpx.Client(base_url=addresses["api"], timeout=10) as client:
        page = client.get("/")
        assert page.status_code == 200
        assets = re.findall(r'(?:src|href)="\.?/?(assets/[^"]+\.(?:js|css))"', page.text)
        assert assets
        assert [client.get(f"/{name}").status_code for name in assets] == [200] * len(assets)
        assert client.get("/readyz").status_code == 200
        known = client.get("/api/analytics/metrics").json()["metrics"]
        assert "p2p.connections.total" in {metric.get("metric") or metric.get("name") for metric in known}
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
