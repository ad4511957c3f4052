"""Turns the options of `blackhole query` into the API's question, and prints the answer."""

import json
import math
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import Form, form_option
from blackhole.errors import UsageError

_WHERE = re.compile(r"(.+?)(=~|!=|!~|=)(.*)", re.DOTALL)
_CONDITIONS = {"!=": "not", "=~": "matches", "!~": "not_matches"}
AGGREGATIONS = (
    *("avg", "max", "min", "sum", "count", "rate", "sum_rate", "last"),
    *("p50", "p90", "p95", "p99"),
)


@click.command("query")
@click.argument("metric")
@click.option("--last", metavar="DURATION", help="From that long ago until now, as 1h or 30m (default 1h).")
@click.option("--start", metavar="TIME", help="RFC 3339, local unless it says otherwise, or Unix seconds.")
@click.option("--end", metavar="TIME", help="As --start; not included.")
@click.option(
    "--agg", type=click.Choice(AGGREGATIONS), help="Default: counter rate, gauge avg, histogram p95."
)
@click.option("--interval", metavar="DURATION", help="Length of a bucket, as 1m.")
@click.option("--extremes", is_flag=True, help="With averages: the least and greatest value of each bucket.")
@click.option("--timezone", metavar="ZONE", help="Days begin at its midnight, as Europe/Berlin.")
@click.option("--by", "keys", multiple=True, metavar="KEY", help="One series a value of this attribute.")
@click.option(
    "--where",
    "where",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only these points; twice: any of both. Also KEY!=VALUE, KEY=~REGEX and KEY!~REGEX.",
)
@form_option
@click.option("--plot", is_flag=True, help="Draw a chart.")
@click.option("--utc", is_flag=True, help="Print times in UTC.")
@reading
def command(
    *,
    place: PlaceOption,
    metric: str,
    last: str | None,
    start: str | None,
    end: str | None,
    agg: str | None,
    interval: str | None,
    extremes: bool,
    timezone: str | None,
    keys: tuple[str, ...],
    where: tuple[str, ...],
    form: str | None,
    plot: bool,
    utc: bool,
) -> None:
    """Ask for METRIC over time, as `blackhole query process.cpu.usage --last 1h`."""
    from blackhole.cli.source import opened  # noqa: PLC0415

    chosen = Form.JSON if place.as_json else Form(form or Form.TABLE)
    if plot and chosen is not Form.TABLE:
        raise UsageError("--plot draws for people: leave --json and --format away")
    question: dict[str, Any] = {"metric": metric, **time_range(last, start, end, utc=utc)}
    question |= {"filters": _filters(where), "group_by": list(keys)}
    if start is None and end is None:
        question["whole"] = True  # who says no moment means no part of a bucket
    said = (("aggregation", agg), ("interval", interval), ("timezone", timezone), ("extremes", extremes))
    question |= {name: value for name, value in said if value}
    with opened(place) as source:
        body = source.query(question)
    if chosen is Form.JSON:
        click.echo(body.decode())
        return
    from blackhole.cli import answer  # noqa: PLC0415

    document: answer.PrintedAnswer = json.loads(body)
    if chosen is Form.CSV:
        click.echo(answer.as_csv(document))
        return
    click.echo(answer.heading(document))
    click.echo(answer.as_charts(document, utc=utc) if plot else answer.as_table(document, utc=utc))
    for line in answer.wholes(document):
        click.echo(line)
    for note in answer.notes(document):
        click.echo(f"note: {note}", err=True)


def time_range(last: str | None, start: str | None, end: str | None, *, utc: bool) -> dict[str, Any]:
    """`start_time` and `end_time` in Unix seconds, as far as the options say them. Raises UsageError."""
    if last is None:
        given = (("start_time", start, "--start"), ("end_time", end, "--end"))
        return {key: moment(text, flag, utc=utc) for key, text, flag in given if text is not None}
    from blackhole.config import parse_duration  # noqa: PLC0415

    if start is not None:
        raise UsageError("--last and --start both say where to begin: give one of them")
    until = time.time() if end is None else moment(end, "--end", utc=utc)
    return {"start_time": until - parse_duration(last), "end_time": until}


def moment(text: str, flag: str, *, utc: bool) -> float:
    """Unix seconds of an RFC 3339 time (local, or UTC, where it names no zone) or of Unix seconds."""
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return seconds
    try:
        when = datetime.fromisoformat(text)
        return (when.replace(tzinfo=UTC) if utc and when.tzinfo is None else when).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{flag} {text}: is not a time: write 2026-05-01T12:00:00Z or Unix seconds"
        ) from None


def _filters(pairs: Sequence[str]) -> dict[str, Any]:
    """What each key is asked to be; a key that is given twice means any of its values, or none of them."""
    filters: dict[str, dict[str, list[str]]] = {}
    for pair in pairs:
        found = _WHERE.fullmatch(pair)
        if found is None:
            raise UsageError(f"--where {pair}: write it as KEY=VALUE, KEY!=VALUE, KEY=~REGEX or KEY!~REGEX")
        key, operator, value = found.groups()
        filters.setdefault(key, {}).setdefault(operator, []).append(value)
    return {key: _filter(key, given) for key, given in filters.items()}


def _filter(key: str, given: dict[str, list[str]]) -> Any:
    values = {operator: texts[0] if len(texts) == 1 else texts for operator, texts in given.items()}
    if "=" not in given:
        return {
            _CONDITIONS[operator]: values[operator] if operator == "!=" else _either(texts)
            for operator, texts in given.items()
        }
    if len(given) > 1:
        raise UsageError(f"--where {key}: with = it is known already: leave !=, =~ and !~ away")
    return values["="]


def _either(patterns: list[str]) -> str:
    return patterns[0] if len(patterns) == 1 else "|".join(f"(?:{pattern})" for pattern in patterns)
