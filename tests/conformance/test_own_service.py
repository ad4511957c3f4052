"""Our own receivers keep every rule."""

from pathlib import Path
from typing import Any

import pytest
from tests.conformance.conftest import serving

from blackhole.conformance import suite, target

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-the-tests"  # noqa: S105
NOTHING_PUT_OFF = {"putting off says until when", "a retry is asked for with RetryInfo"}
NEEDS_A_TOKEN = {"401 without the token", "UNAUTHENTICATED without the token"}


async def outcome(ready: dict[str, Any], token: str = "") -> tuple[dict[str, str], set[str]]:
    """What failed, with what was seen, and the names of what was skipped."""
    probe = await target.reach([f"http://{ready['otlp_http']}", f"grpc://{ready['otlp_grpc']}"], token)
    try:
        findings = await suite.run(probe)
    finally:
        await probe.close()
    assert len(findings) == len(suite.checks()) > 100
    failed = {f.name: f.seen for f in findings if f.result == "failed"}
    return failed, {f.name for f in findings if f.result == "skipped"}


async def test_the_service_passes_every_check(service: dict[str, Any]) -> None:
    failed, skipped = await outcome(service)
    assert failed == {}
    assert skipped - NOTHING_PUT_OFF == NEEDS_A_TOKEN


async def test_the_service_passes_every_check_when_it_wants_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with serving(tmp_path, f"{{token_file: {tmp_path / 'token'}}}") as ready:
        failed, skipped = await outcome(ready, TOKEN)
    assert failed == {}
    assert skipped <= NOTHING_PUT_OFF


async def test_one_address_alone_is_enough(service: dict[str, Any]) -> None:
    probe = await target.reach([f"grpc://{service['otlp_grpc']}"])
    try:
        findings = await suite.run(probe)
    finally:
        await probe.close()
    assert {f.result for f in findings if f.transport == "http"} == {"skipped"}
    assert suite.conforms(findings)
