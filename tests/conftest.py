"""What has to be so before any test module is imported."""

import os
import subprocess
from typing import Any

# gRPC reads this once, at its import, and whichever test comes first imports it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import hypothesis
import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

# What has something dear or single in common is run by one worker. The marks of xdist would say so,
# but its nodes' names carry no group any more since pytest 9.2.
TOGETHER = (
    "tests/clients/test_services.py",
    "tests/conformance/",
    "tests/service/test_one_truth.py",
    "tests/wheel/",
)

# A busy machine keeps no deadline, and is slow in making examples.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


class Scheduling(LoadGroupScheduling):  # type: ignore[misc]
    """Groups by place; all else is spread test by test."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    return Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for localhost, and its key."""
    place = tmp_path_factory.mktemp("tls")
    cert, key = str(place / "cert.pem"), str(place / "key.pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    subprocess.run(
        [*command, "-keyout", key, "-out", cert, "-days", "2", *subject], check=True, capture_output=True
    )
    return cert, key
