"""Turns registered checks into findings: each run alone, one after the other, in bounded time."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from blackhole.conformance.check import BrokenError, Check, NotSeenError, RuleLevel, Transport, registered
from blackhole.conformance.checks import ALL
from blackhole.conformance.target import Probe

CHECK_SECONDS = 5.0
TOTAL_SECONDS = 55.0


class SuiteResult(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """What became of one check."""

    name: str
    transport: Transport
    level: RuleLevel
    rule: str
    result: SuiteResult
    seen: str
    remedy: str
    seconds: float


def checks() -> Sequence[Check]:
    """All checks, in the order of running."""
    rooms = [module.__name__ for module in ALL]
    return sorted(
        registered(),
        key=lambda one: (one.last, one.transport is Transport.GRPC, rooms.index(one.run.__module__)),
    )


async def run(
    probe: Probe,
    chosen: Sequence[Check] | None = None,
    *,
    each: float = CHECK_SECONDS,
    total: float = TOTAL_SECONDS,
) -> list[RuleFinding]:
    """Runs `chosen`, or all, in `total` seconds. Those of a transport without an address are skipped."""
    until = time.monotonic() + total
    return [await _run_one(one, probe, each, until) for one in (checks() if chosen is None else chosen)]


def conforms(findings: Iterable[RuleFinding]) -> bool:
    """Whether no required check failed."""
    return not any(f.result is SuiteResult.FAILED and f.level is RuleLevel.REQUIRED for f in findings)


async def _run_one(one: Check, probe: Probe, each: float, until: float) -> RuleFinding:
    began = time.monotonic()
    result, seen = await _outcome(one, probe, min(each, until - began))
    spent = round(time.monotonic() - began, 3)
    return RuleFinding(one.name, one.transport, one.level, one.rule, result, seen, one.remedy, spent)


async def _outcome(one: Check, probe: Probe, seconds: float) -> tuple[SuiteResult, str]:
    client = probe.http if one.transport is Transport.HTTP else probe.grpc
    if client is None:
        return SuiteResult.SKIPPED, f"no {one.transport} address was given"
    if seconds <= 0:
        return SuiteResult.FAILED, "not run: the others took too long"
    try:
        async with asyncio.timeout(seconds):
            return SuiteResult.PASSED, await one.run(client, *one.arguments)
    except NotSeenError as error:
        return SuiteResult.SKIPPED, str(error)
    except (BrokenError, OSError, EOFError, ValueError) as error:
        return SuiteResult.FAILED, _told(error, seconds)


def _told(error: Exception, seconds: float) -> str:
    if isinstance(error, BrokenError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:.1f} s"
    return f"no usable answer: {' '.join(str(error).split()) or type(error).__name__}"
