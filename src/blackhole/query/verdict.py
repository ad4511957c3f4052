"""Turns the health of the services and what is beyond a limit into one sentence: how everything is."""

from collections.abc import Iterator, Sequence

from blackhole.model.signals import OWN_SERVICE
from blackhole.model.times import format_time
from blackhole.query.limits import REQUESTS, Breach
from blackhole.query.reports import HealthVerdict, ServiceHealth, VerdictReason
from blackhole.query.silence import DOWN, ENDED, WAITING

_MOST_REASONS = 50
_NOT_YET = "Not known yet: this service listens again, and waits for a period of each sender."


def verdict(services: Sequence[ServiceHealth], breaches: Sequence[Breach]) -> HealthVerdict:
    """The gravest reason first. This service itself says nothing about the others."""
    others = [one for one in services if one.service != OWN_SERVICE and one.state != ENDED]
    found = [*_silent(others), *_targets(others), *map(_beyond, breaches)]
    reasons = sorted(found, key=lambda one: not one.down)
    if reasons:
        state = "down" if any(one.down for one in reasons) else "degraded"
        since = min((one.since for one in reasons if one.since is not None), default=None)
        return HealthVerdict(state, _sentence(state, reasons), since, reasons[:_MOST_REASONS])
    waiting = sum(one.state == WAITING for one in others)
    if waiting == len(others):
        return HealthVerdict(sentence=_NOT_YET) if others else HealthVerdict()
    who = others[0].service + " reports" if len(others) == 1 else f"all {len(others)} other services report"
    if waiting:
        who = f"{len(others) - waiting} of {len(others)} other services report, the rest are still waited for"
    return HealthVerdict("steady", f"Steady: {who}, and nothing is beyond its limits.")


def _silent(services: Sequence[ServiceHealth]) -> Iterator[VerdictReason]:
    silent = [one for one in services if not one.up and one.state != DOWN]
    all_of_them = len(silent) == len(services)
    if all_of_them and len(silent) > 1:
        newest = max(one.last_seen for one in silent)
        yield VerdictReason(
            "silent",
            "",
            "no service reports any more",
            f"All {len(silent)} are silent. Look whether they run, and whether they can reach this service.",
            newest,
            down=True,
        )
    for one in silent:
        detail = "Nothing comes from it. Look whether it runs, and whether it can reach this service."
        yield VerdictReason(
            "silent", one.service, f"{one.service} is silent", detail, one.last_seen, down=all_of_them
        )


def _targets(services: Sequence[ServiceHealth]) -> Iterator[VerdictReason]:
    """What is scraped, and does not answer its scraper."""
    for one in services:
        if one.state == DOWN:
            words = f"{one.service} is down"
        elif one.up and one.targets_down:
            words = f"{one.service}: targets are down"
        else:
            continue
        detail = f"{one.targets_down} of its scraped targets do not answer (`up` is 0)."
        down = all(other.state == DOWN for other in services)
        yield VerdictReason("target", one.service, words, detail, None, down, "up")


def _beyond(breach: Breach) -> VerdictReason:
    since = format_time(breach.since_ns) if breach.since_ns else None
    kind = "errors" if breach.what == REQUESTS else "limit"
    return VerdictReason(kind, breach.service, breach.words, breach.detail, since, breach.down, breach.metric)


def _sentence(state: str, reasons: Sequence[VerdictReason]) -> str:
    told = [one for one in reasons if one.down] or reasons
    more = len(reasons) - 1
    rest = "" if more == 0 else f", and {more} more {'thing is' if more == 1 else 'things are'} wrong"
    return f"{state.capitalize()}: {told[0].words}{rest}."
