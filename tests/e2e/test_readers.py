"""People's heaviest questions, at DuckDB's memory limit, take nothing from what is being written."""

import time
from pathlib import Path

import pytest
from bench.readers import READERS, heavy_readers
from bench.requests import STEP_NS, Load, Template, catalogue
from tests.e2e.service import Service, stored

SECONDS = 12.0
LOAD = Load(2000, 1)  # every series once
MAX_MEMORY = 256 * 2**20


def service(directory: Path) -> Service:
    (directory / "catalogue.yaml").write_text(catalogue())
    config = directory / "analytics.yaml"
    config.write_text(f"analytics: {{max_cpu_usage: 10000, catalogue: ['{directory / 'catalogue.yaml'}']}}")
    return Service(directory / "data", ("--config", str(config)))


@pytest.mark.slow
def test_four_heavy_readers_neither_stop_commits_nor_break_the_file(tmp_path: Path) -> None:
    """Fails when a request is not answered OK or "again", when a total of acknowledged points is not exact,
    when a reader gets anything but an answer or a reason, or when the process grows beyond its limit."""
    first_ns = time.time_ns() - 3600 * 10**9
    template = Template(LOAD, 0, first_ns)
    sent = peak = 0
    with service(tmp_path) as running:
        readers = heavy_readers(running.ready["api"])
        end = time.monotonic() + SECONDS
        with readers.asking():
            while time.monotonic() < end:
                status, _ = running.post(template.stamp(first_ns + sent * STEP_NS))
                assert status in {200, 503}
                sent += status == 200
                time.sleep(status == 503)  # as Retry-After says
                peak = max(peak, running.memory)
        assert running.stop() == 0
    assert readers.unexpected == []
    assert sum(readers.answers.values()) > 2 * READERS
    assert readers.answers[400] > 0, "some questions must meet the limits of memory or time"
    assert sent > 50
    assert peak < MAX_MEMORY
    streams, least, most = rises(tmp_path / "data")
    assert streams == LOAD.points // 2
    assert [least, most] == pytest.approx([sent - 1, sent - 1])
    assert "ERROR" not in (tmp_path / "stderr").read_text()


def rises(data: Path) -> tuple[int, float, float]:
    """How many counters there are; the least and the most that one has risen by."""
    each = (
        "SELECT p.stream, sum(p.value) AS rise FROM points p JOIN series s ON s.id = p.series "
        "WHERE s.metric LIKE 'bench.counter.%' GROUP BY ALL"
    )
    [(streams, least, most)] = stored(data, f"SELECT count(*), min(rise), max(rise) FROM ({each})")
    return int(streams), float(least), float(most)
