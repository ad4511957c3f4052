"""Prometheus text: the service itself and public values; nothing of guarded metrics."""

import re

import httpx
import pytest
from tests.serve.serve_fakes import FakeService, newest

pytestmark = pytest.mark.anyio

LINE = re.compile(r'[a-z_][a-zA-Z0-9_]*(\{([a-zA-Z_]\w*="(\\.|[^"\\])*",?)+\})? \S+')


async def text_of(client: httpx.AsyncClient) -> str:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


async def test_the_service_tells_of_itself(client: httpx.AsyncClient) -> None:
    lines = (await text_of(client)).splitlines()
    for line in (
        'blackhole_accepted_total{signal="metrics"} 70',
        'blackhole_refused_total{reason="not in the catalogue"} 4',
        "blackhole_commits_total 1",
        "blackhole_pending_rows 2",
        "blackhole_memory_bytes 100000000",
        "blackhole_database_bytes 4096",
        "blackhole_uptime_seconds 60.0",
        'blackhole_errors_total{error_type="undecodable"} 2',
    ):
        assert line in lines
    assert all(LINE.fullmatch(line) for line in lines if not line.startswith("#"))


async def test_durations_are_histograms(client: httpx.AsyncClient) -> None:
    lines = (await text_of(client)).splitlines()
    at = lines.index("# TYPE blackhole_commit_duration_seconds histogram")
    assert lines[at + 1 : at + 6] == [
        'blackhole_commit_duration_seconds_bucket{le="0.01"} 3',
        'blackhole_commit_duration_seconds_bucket{le="0.1"} 4',
        'blackhole_commit_duration_seconds_bucket{le="+Inf"} 4',
        "blackhole_commit_duration_seconds_sum 0.25",
        "blackhole_commit_duration_seconds_count 4",
    ]
    assert 'blackhole_request_duration_seconds_bucket{le="+Inf"} 7' in lines


async def test_no_name_stands_twice(client: httpx.AsyncClient, service: FakeService) -> None:
    service.runner.points = [newest("blackhole.memory.bytes", 5.0, level="public")]
    names = [line.split(" ")[2] for line in (await text_of(client)).splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


async def test_only_public_values_are_shown(client: httpx.AsyncClient, service: FakeService) -> None:
    levels = ("public", "internal", "sensitive", "highly_sensitive")
    service.runner.points = [newest(f"p2p.{level}.x", 5.0, level=level, region="eu") for level in levels]
    text = await text_of(client)
    assert 'p2p_public_x{region="eu"} 5.0' in text
    assert not any(level in text for level in levels[1:])
    assert "user.active" not in text
    assert "waits for noise" not in text


async def test_labels_are_escaped_and_absent_values_left_out(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    service.runner.points = [
        newest("a.b", 1.0, level="public", **{"k.x": 'say "hi"\\\n'}),
        newest("a.c", None, level="public"),
    ]
    text = await text_of(client)
    assert 'a_b{k_x="say \\"hi\\"\\\\\\n"} 1.0' in text
    assert "a_c" not in text
