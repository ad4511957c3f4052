"""What instrumented services counted is what every surface says: Flask by the README's recipe, and Go."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.clients.programs import PATIENCE, Program, flask, go_service, otlp
from tests.e2e.service import Service
from tests.service.surfaces import Points, Question, Surfaces

RATE = 10
MILLISECONDS = 20
# Seconds between two exports, and for how long requests come once all are heard of.
QUICK = (3.0, 20)
DEFAULTS = (None, 190)
FLASK, NEWER, GO = "flask", "flask-newer", "go"
SERVICES = (FLASK, NEWER, GO)
# By the conventions that each of them follows.
DURATIONS = {
    FLASK: ("http.server.duration", 1.0),
    NEWER: ("http.server.request.duration", 1000.0),
    GO: ("http.server.request.duration", 1000.0),
}


@dataclass
class Story:
    """What was asked while the programs ran (`live`), and the service that knows all of it now."""

    surfaces: Surfaces
    told: dict[str, dict[str, Any]]
    live: dict[str, dict[str, Any]]
    legend: list[dict[str, Any]]
    period: float

    def within(self, service: str, metric: str, aggregation: str) -> Points:
        """The whole buckets of a service, of one period each, while its requests came."""
        told = self.told[service]
        asked = Question(metric, aggregation, told["began"] - 60, told["ended"] + 60, self.period)
        found = self.surfaces.api(asked, filters={"service.name": service})
        first, last = told["began"] + self.period, told["ended"] - 2 * self.period
        return [(when, value) for when, value in found if first <= when <= last]


def run(directory: Path, seconds: float | None, length: int) -> Iterator[Story]:
    period = seconds or 60.0
    load = {"RATE": str(RATE), "MILLISECONDS": str(MILLISECONDS)}
    with ExitStack() as stack:
        service = stack.enter_context(Service(directory / "data"))
        surfaces = Surfaces(service)

        def environment(name: str, **more: str) -> dict[str, str]:
            return {**otlp(service, name, seconds), **load, **more}

        def begun(program: Program) -> Program:
            return stack.enter_context(program)

        programs = {
            FLASK: begun(flask(directory / "flask.log", environment(FLASK))),
            NEWER: begun(
                flask(directory / "newer.log", environment(NEWER, OTEL_SEMCONV_STABILITY_OPT_IN="http/dup"))
            ),
            GO: begun(go_service(directory / "go.log", environment(GO))),
        }
        for name in SERVICES:
            surfaces.heard_of(name, 2 * period + PATIENCE)
        time.sleep(length)
        live = {name: surfaces.health(name) for name in SERVICES}
        legend = surfaces.legend("performance", lambda one: "service.name" in one["attributes"])
        told = {name: program.finished(PATIENCE) for name, program in programs.items()}
        yield Story(surfaces, told, live, legend, period)


@pytest.fixture(scope="module", params=["quick", pytest.param("defaults", marks=pytest.mark.slow)])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    if request.param == "quick":
        yield from run(tmp_path_factory.mktemp("quick"), *QUICK)
        return
    if not os.environ.get("BLACKHOLE_CLIENTS"):
        pytest.skip("takes six minutes: run `make clients`")
    yield from run(tmp_path_factory.mktemp("defaults"), *DEFAULTS)


# Its fixtures take long: one worker makes them, for all of its tests.
pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("services")]
each_service = pytest.mark.parametrize("service", SERVICES)


def total(story: Story, service: str, metric: str, aggregation: str = "sum") -> float:
    told = story.told[service]
    asked = Question(metric, aggregation, told["began"] - 60, told["ended"] + 60)
    found = story.surfaces.api(asked, filters={"service.name": service})
    return sum(value for _, value in found)


@each_service
def test_every_request_is_counted_once(story: Story, service: str) -> None:
    requests = story.told[service]["requests"]
    assert total(story, service, "shop.requests.total") == requests
    assert total(story, service, DURATIONS[service][0], "count") == requests


@each_service
def test_a_rate_is_what_the_program_did_each_second(story: Story, service: str) -> None:
    for metric in ("shop.requests.total", DURATIONS[service][0]):
        found = story.within(service, metric, "rate")
        assert found
        for when, value in found:
            expected = counted(story.told[service]["times"], when, when + story.period) / story.period
            assert value == pytest.approx(expected, rel=0.1, abs=2 / story.period), (metric, when)


@each_service
def test_health_tells_requests_and_errors_of_the_same_program(story: Story, service: str) -> None:
    health = story.live[service]
    assert health["up"]
    assert health["request_rate"] == pytest.approx(RATE, rel=0.2)
    assert health["error_rate"] == pytest.approx(RATE / 10, rel=0.2, abs=2 / story.period)


@each_service
def test_the_legend_says_what_the_chart_says(story: Story, service: str) -> None:
    mine = [one for one in story.legend if one["attributes"]["service.name"] == service]
    (requests,) = [one for one in mine if one["metric"] == "shop.requests.total"]
    assert requests["unit"].endswith("/s")
    assert requests["value"] == pytest.approx(RATE, rel=0.2)
    switches = [one["value"] for one in mine if one["metric"] == "process.context_switches"]
    if service != GO:
        charted = story.within(service, "process.context_switches", "rate")
        assert sum(switches) == pytest.approx(charted[-1][1], rel=0.5)


@each_service
def test_the_p95_is_in_the_bucket_that_holds_it(story: Story, service: str) -> None:
    """The program's own answer is known for Flask; all of them sleep as long."""
    metric, factor = DURATIONS[service]
    told = story.told[service]
    asked = Question(metric, "p95", told["began"] - 60, told["ended"] + 60, 600)
    values = [value * factor for _, value in story.surfaces.api(asked, filters={"service.name": service})]
    slowest = max(told.get("durations", [1.0])) * 1000
    assert values
    assert all(MILLISECONDS <= value <= max(50.0, slowest) for value in values)
    assert story.live[service]["p95_ms"] == pytest.approx(values[-1], rel=0.3)


@pytest.mark.parametrize("service", [FLASK, NEWER])
def test_context_switches_are_those_that_the_system_counted(story: Story, service: str) -> None:
    """The first number of the README's recipe."""
    found = story.within(service, "process.context_switches", "rate")
    usage = story.told[service]["usage"]
    assert found
    for when, value in found:
        assert value == pytest.approx(grown(usage, "switches", when, when + story.period), rel=0.25, abs=3)


@pytest.mark.parametrize("service", [FLASK, NEWER])
def test_cpu_and_memory_are_those_of_the_process(story: Story, service: str) -> None:
    usage, health = story.told[service]["usage"], story.live[service]
    assert health["memory_bytes"] == pytest.approx(usage[-1]["memory"], rel=0.2)
    used = grown(usage, "cpu", usage[0]["time"], usage[-1]["time"])
    assert health["cpu_percent"] == pytest.approx(100 * used, rel=0.6, abs=3)


@each_service
def test_the_command_line_and_promql_say_what_the_api_says(story: Story, service: str) -> None:
    told = story.told[service]
    # Its end is held at its last rate until it counts as dead, and that moment may lie between two questions.
    at = told["ended"] - 3 * story.period if story.period < 60 else told["ended"]
    whole = Question("shop.requests.total", "rate", told["began"] - 60, at, story.period)
    answered = story.surfaces.api(whole)
    for surface in (story.surfaces.command_line, story.surfaces.csv):
        shown = surface(whole)
        assert [when for when, _ in shown] == [when for when, _ in answered]
        # Streams are summed in the order in which they were read.
        assert [value for _, value in shown] == pytest.approx([value for _, value in answered], rel=1e-9)
    window = max(int(3 * story.period), 12)  # longer than the program ran, it would say less
    asked = f'rate(shop_requests_total{{job="{service}"}}[{window}s])'
    assert story.surfaces.promql(asked, at) == pytest.approx(RATE, rel=0.15)


def grown(usage: Sequence[dict[str, float]], what: str, since: float, until: float) -> float:
    """A second, between two moments, as the program saw it itself."""

    def reached(moment: float) -> float:
        for one, two in pairwise(usage):
            if one["time"] <= moment <= two["time"]:
                share = (moment - one["time"]) / (two["time"] - one["time"])
                return one[what] + share * (two[what] - one[what])
        return usage[0 if moment < usage[0]["time"] else -1][what]

    return (reached(until) - reached(since)) / (until - since)


def counted(times: Sequence[float], since: float, until: float) -> int:
    return sum(since <= moment < until for moment in times)
