"""Says in words how the service fares, or, when none runs, what the file holds."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import clock, number, size, table

MOST_REFUSALS = 20
MOST_REASONS = 10
MOST_OUTAGES = 3
_OUTAGES = {
    "not_running": "this service did not run",
    "stood_still": "this service stood still: the machine slept, or was too busy",
    "took_nothing": "this service took nothing, since it was at a limit of its own,",
}
_ENDPOINTS = {"otlp_grpc": "OTLP over gRPC", "otlp_http": "OTLP over HTTP", "api": "page and API"}
_SIGNALS = {"metrics": "data points", "traces": "spans", "logs": "log records"}


@click.command("status")
@click.option("--utc", is_flag=True, help="Print times in UTC.")
@reading
def command(place: PlaceOption, utc: bool) -> None:
    """Say how the service fares: since when, where, what it took and refused, and what it costs."""
    from blackhole.cli.source import opened  # noqa: PLC0415

    with opened(place) as source:
        body = source.status()
    if place.as_json:
        click.echo(body.decode())
        return
    status = json.loads(body)
    words = running(status, utc=utc) if status.get("running", True) else stopped(status)
    click.echo("\n".join(f"{name + ':' * bool(name):<16}{text}" for name, text in words))
    refused = status.get("statistics", status).get("refused", [])
    if refused:
        click.echo("\n" + refusals(refused))


def running(status: Mapping[str, Any], *, utc: bool) -> Iterator[tuple[str, str]]:
    """What a running service says, as name and words."""
    counts = status.get("statistics", status)
    yield from _verdict(status.get("verdict"), utc=utc)
    for outage in status.get("outages", ())[:MOST_OUTAGES]:
        yield "gap", outage_words(outage, utc=utc)
    began = datetime.fromtimestamp(status["started_at"], UTC).isoformat()
    yield (
        "running",
        f"version {status['version']}, since {clock(began, utc=utc)} ({_span(status['uptime_seconds'])})",
    )
    for key, address in status.get("endpoints", {}).items():
        yield _ENDPOINTS.get(key, key), str(address)
    yield "accepted", _counted(counts.get("accepted", {}))
    for sender in status.get("turned_away", ())[:MOST_REASONS]:
        yield "turned away", f"{sender['words']} ({number(sender['count'])} times): {sender['remedy']}"
    failed = sum(counts.get("failed_requests", {}).values())
    if failed:
        yield "failed", f"{number(failed)} requests that were not taken: see the log"
    yield "commits", f"{number(counts.get('commits', 0))}, {number(status['pending_rows'])} rows waiting"
    yield (
        "sampling",
        "everything is kept" if status["sampling_rate"] >= 1 else f"rate {status['sampling_rate']:g}",
    )
    yield "memory", size(status["memory_bytes"])
    yield "processor", f"{status['cpu_percent']:.1f} % of one core"
    yield "database", size(status["database_bytes"])
    yield from _set_aside(status)
    yield from _notes(status)


def _verdict(verdict: Mapping[str, Any] | None, *, utc: bool) -> Iterator[tuple[str, str]]:
    """How all services together are, and each thing that is wrong."""
    if verdict is None:
        return
    yield "verdict", verdict["sentence"]
    for reason in verdict["reasons"][:MOST_REASONS]:
        since = f" (since {clock(reason['since'], utc=utc)})" if reason["since"] else ""
        yield "", f"{reason['words']}{since}: {reason['detail']}"


def outage_words(outage: Mapping[str, str], *, utc: bool) -> str:
    """When senders could not be heard because of the service itself."""
    said = _OUTAGES.get(outage["reason"], "could not be heard by")
    return f"{said} from {clock(outage['begin'], utc=utc)} to {clock(outage['end'], utc=utc)}"


def stopped(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the file says, as name and words."""
    yield "stopped", "no service answers: start one with `blackhole serve`"
    yield "database", f"{status['database']}, {size(status['database_bytes'])}"
    yield "stored", f"{number(status['points'])} points of {number(status['metrics'])} metrics"
    yield from _set_aside(status)
    yield from _notes(status)


def _notes(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for note in status.get("notes", ()):
        yield "note", str(note)


def _set_aside(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path in status.get("set_aside", ()):
        yield "set aside", f"{path} was damaged: put a backup in its place, or remove it"


def refusals(refused: list[Mapping[str, Any]]) -> str:
    """The refused metrics as a table, with what mends each."""
    rows = (
        [r["metric"], number(r["count"]), f"{r['reason']}: {r['remedy']}"] for r in refused[:MOST_REFUSALS]
    )
    text = table(["refused metric", "points", "why, and what to do"], rows, right={"points"})
    more = len(refused) - MOST_REFUSALS
    return f"{text}\n… and {more} more: see --json" if more > 0 else text


def _counted(accepted: Mapping[str, int]) -> str:
    parts = [f"{number(count)} {_SIGNALS.get(signal, signal)}" for signal, count in accepted.items() if count]
    return ", ".join(parts) or "nothing yet: point a service at the address above"


def _span(seconds: float) -> str:
    from blackhole.config import duration_words  # noqa: PLC0415

    whole = int(seconds)
    return duration_words(whole if whole < 3600 else whole // 60 * 60)  # noqa: PLR2004
