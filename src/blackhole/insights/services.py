"""Turns the health of the services into findings: one is silent, or fails more often than it used to."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from blackhole.insights.observation import Observation
from blackhole.model.insight import Insight
from blackhole.query.health import silence_title
from blackhole.query.outages import NOT_RUNNING, STOOD_STILL, TOOK_NOTHING
from blackhole.query.reports import ServiceHealth
from blackhole.query.silence import DOWN, ENDED

HISTORY_S = 3600.0
RECENT_S = 60.0
# Below them a single failed request would be news.
LEAST_SHARE = 0.05
LEAST_ERRORS = 0.05
TIMES_MORE = 3.0
ENOUGH = 8
# Without a past to compare with, only this share of failures is news.
SHARE_WITHOUT_PAST = 0.5
MOST_SERVICES = 200
OUTAGE_TOLD_S = 120.0
_OUTAGES = {
    NOT_RUNNING: "This service did not run",
    STOOD_STILL: "This service stood still",
    TOOK_NOTHING: "This service took nothing",
}
_MOST_SAMPLES = 1000


def silent_services(observation: Observation) -> Sequence[Insight]:
    """A service that reported within a day, and has not for three of its usual periods."""
    return [
        Insight(
            "service_silent",
            silence_title(service.service),
            f"Nothing came from it since {_clock(service.last_seen)} UTC. "
            "Look whether it runs, and whether it can reach this service.",
            "warning",
            (),
        )
        for service in observation.health.services
        if not service.up and service.state not in {ENDED, DOWN}
    ]


def own_outages(observation: Observation) -> Sequence[Insight]:
    """When senders could not be heard because of us: said once, so that gaps are explained later."""
    return [
        Insight(
            "own_outage",
            f"{_OUTAGES[outage.reason]} {_from_to(outage.begin, outage.end)} UTC",
            "Counters that run on catch up. What else was sent meanwhile is missing, "
            "unless its sender kept it.",
            "info",
            (),
        )
        for outage in observation.health.outages
        if observation.now - datetime.fromisoformat(outage.end).timestamp() < OUTAGE_TOLD_S
    ]


def beyond_limits(observation: Observation) -> Sequence[Insight]:
    """What must not be, whatever was usual: silence and failing requests have findings of their own."""
    return [
        Insight(
            "beyond_limit",
            reason.words,
            reason.detail,
            "critical" if reason.down else "warning",
            (reason.metric,) if reason.metric else (),
        )
        for reason in observation.health.verdict.reasons
        if reason.kind in {"limit", "target"}
    ]


@dataclass(frozen=True, slots=True)
class _ServiceSample:
    time: float
    requests: float
    errors: float


class ErrorRate:
    """Remembers an hour of each service, so that what is usual there is not news."""

    def __init__(self) -> None:
        self._history: dict[str, deque[_ServiceSample]] = {}

    def __call__(self, observation: Observation) -> Sequence[Insight]:
        reporting = [service for service in observation.health.services if service.up][:MOST_SERVICES]
        names = {service.service for service in reporting}
        self._history = {name: kept for name, kept in self._history.items() if name in names}
        return [found for service in reporting for found in self._judge(service, observation.now)]

    def _judge(self, service: ServiceHealth, now: float) -> Iterator[Insight]:
        if not service.request_rate or service.error_rate is None:
            return
        past = self._history.setdefault(service.service, deque(maxlen=_MOST_SAMPLES))
        while past and now - past[0].time > HISTORY_S:
            past.popleft()
        share = service.error_rate / service.request_rate
        usual = _share([sample for sample in past if now - sample.time > RECENT_S])
        past.append(_ServiceSample(now, service.request_rate, service.error_rate))
        if service.error_rate >= LEAST_ERRORS and share >= _bar(usual):
            yield _more_errors(service.service, min(share, 1.0), usual)


def _share(samples: Sequence[_ServiceSample]) -> float | None:
    requests = sum(sample.requests for sample in samples)
    if len(samples) < ENOUGH or requests <= 0:
        return None
    return sum(sample.errors for sample in samples) / requests


def _bar(usual: float | None) -> float:
    return SHARE_WITHOUT_PAST if usual is None else max(LEAST_SHARE, TIMES_MORE * usual)


def _more_errors(service: str, share: float, usual: float | None) -> Insight:
    before = "" if usual is None else f" In the hour before it was {usual:.0%}."
    return Insight(
        "error_rate_up",
        f"{service} fails more often",
        f"{share:.0%} of its requests failed in the last minute.{before} Performance says which ones.",
        "critical" if share >= SHARE_WITHOUT_PAST else "warning",
        (),
    )


def _from_to(begin: str, end: str) -> str:
    """With seconds where the minutes would be the same."""
    width = 16 if begin[:16] != end[:16] else 19
    return f"from {begin[11:width]} to {end[11:width]}"


def _clock(timestamp: str) -> str:
    return timestamp[11:16]
