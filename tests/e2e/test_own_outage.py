"""A restart makes nobody silent, and says when the service did not run."""

import subprocess
import time
from pathlib import Path

from tests.e2e.service import BLACKHOLE, Service, counter, request

SECOND = 10**9


def each_minute(name: str, service: Service, *ages: int) -> None:
    """Exports a minute apart, the newest so many seconds ago."""
    now = time.time_ns()
    start = now - (max(ages) + 60) * SECOND
    for number, age in enumerate(sorted(ages, reverse=True)):
        metric = counter("node.requests.total", 10.0 * number, start=start, when=now - age * SECOND)
        assert service.post(request(metric, service=name))[0] == 200


def test_a_restart_calls_nobody_silent_who_may_still_report(tmp_path: Path) -> None:
    """Its own rows say when it ran last: these are older than the start."""
    with Service(tmp_path / "data") as first:
        each_minute("minutely", first, 400, 340, 280)
        each_minute("blackhole-analytics", first, 320, 260)
        assert first.stop() == 0
    with Service(tmp_path / "data") as second:
        health = second.told("health")
        states = {one["service"]: (one["state"], one["up"]) for one in health["services"]}
        assert states["minutely"] == ("waiting", True)
        assert health["outages"][0]["reason"] == "not_running"
        status = subprocess.run(
            [str(BLACKHOLE), "status", "--data-dir", str(tmp_path / "data")],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        assert "this service did not run from" in status
