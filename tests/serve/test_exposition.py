"""Prometheus text: the service itself and public values; nothing of guarded metrics."""

import math
import re

import httpx
import pytest
from tests.serve import page_of_prometheus
from tests.serve.serve_fakes import FakeService

from blackhole.query.scrape import Scrape, Scraped

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


def gauge(name: str, value: float, **labels: str) -> Scraped:
    return Scraped(name, "gauge", "about it", [("", labels, value)])


async def test_no_name_stands_twice(client: httpx.AsyncClient, service: FakeService) -> None:
    service.runner.page = Scrape(
        [gauge("blackhole_memory_bytes", 5.0), gauge("blackhole_requests_total", 6.0)]
    )
    families = page_of_prometheus.read(await text_of(client))
    for name, value in (("blackhole_memory_bytes_gauge", 5), ("blackhole_requests_total_gauge", 6)):
        assert families[name].samples == {("", ()): value}


async def test_families_are_written_as_they_are(client: httpx.AsyncClient, service: FakeService) -> None:
    samples = [
        ("_bucket", {"le": "1"}, 1.0),
        ("_bucket", {"le": "+Inf"}, 2.0),
        ("_sum", {}, 3.5),
        ("_count", {}, 2.0),
    ]
    service.runner.page = Scrape([Scraped("size", "histogram", "How large", samples)], left_out=3)
    lines = (await text_of(client)).splitlines()
    assert lines[-7:] == [
        "# HELP size How large",
        "# TYPE size histogram",
        'size_bucket{le="1"} 1.0',
        'size_bucket{le="+Inf"} 2.0',
        "size_sum 3.5",
        "size_count 2.0",
        "# 3 more public series are left out",
    ]


async def test_nothing_of_guarded_metrics_is_shown(client: httpx.AsyncClient) -> None:
    text = await text_of(client)
    assert "user.active" not in text
    assert "waits for noise" not in text


async def test_texts_are_escaped_and_numbers_spelled(client: httpx.AsyncClient, service: FakeService) -> None:
    families = [
        Scraped("a_b", "gauge", 'of "x"\n\\', [("", {"k_x": 'say "hi"\\\n'}, 1.0)]),
        *(gauge(f"n{number}", value) for number, value in enumerate((math.inf, -math.inf, math.nan))),
        gauge("odd", 1.0, k="\ud800"),
    ]
    service.runner.page = Scrape(families)
    text = await text_of(client)
    page_of_prometheus.read(text)
    assert 'a_b{k_x="say \\"hi\\"\\\\\\n"} 1.0' in text
    assert '# HELP a_b of "x"\\n\\\\\n' in text
    assert [f"n{number} {word}" in text for number, word in enumerate(("+Inf", "-Inf", "NaN"))] == [True] * 3


async def test_the_page_is_valid(client: httpx.AsyncClient) -> None:
    page_of_prometheus.read(await text_of(client))
