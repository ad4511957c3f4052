"""`blackhole forget`: erases from the database what is named, through the service or in the file itself."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import number, size
from blackhole.errors import BlackholeError, UnavailableError, UsageError


@click.command("forget")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="A metric, or `shop.*`; repeatable.")
@click.option(
    "--where", multiple=True, metavar="KEY=VALUE", help="What has this attribute; all of several keys."
)
@click.option("--all", "everything", is_flag=True, help="All that was ever collected, and old copies.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only count what would be erased.")
@reading
def command(place: PlaceOption, *, yes: bool, dry_run: bool, **named: Any) -> None:
    """Erase from recent, sealed and aggregated data, rewrite the file, and prove it by reading that.

    On a terminal it counts first and asks. The privacy ledger stays: what was spent was spent.
    """
    what = {"metric": list(named["metrics"]), "where": _pairs(named["where"]), "all": named["everything"]}
    if not dry_run and not yes:
        _ask(place, what)
    answer = _forgotten(place, {**what, "dry_run": True} if dry_run else what)
    if place.as_json:
        click.echo(json.dumps(answer))
        return
    click.echo("\n".join(would(answer) if dry_run else words(answer)))


def would(answer: Mapping[str, Any]) -> Iterator[str]:
    """What would be erased."""
    yield f"would erase: {_counts(answer)}"
    for path in answer["removed"]:
        yield f"would remove: {path}"
    for path in answer["copies"]:
        yield f"would stay:  {path}, an older copy"
    for note in answer["notes"]:
        yield f"note:        {note}"


def _counts(answer: Mapping[str, Any]) -> str:
    told = ", ".join(f"{number(count)} of {table}" for table, count in answer["rows"].items())
    return f"{number(answer['series'])} series" + (f"; rows: {told}" if told else "")


def _ask(place: PlaceOption, what: Mapping[str, Any]) -> None:
    """Raises UsageError where nobody can answer, click.Abort unless the answer is yes."""
    if not sys.stdin.isatty():
        raise UsageError(
            "nothing was erased: there is no terminal to ask on: add --yes, or --dry-run to see the counts"
        )
    click.echo("\n".join(would(_forgotten(place, {**what, "dry_run": True}))), err=True)
    if not click.confirm("Erase it? This cannot be undone", err=True):
        raise BlackholeError("nothing was erased")


def words(answer: Mapping[str, Any]) -> Iterator[str]:
    """What was done, how it was shown, and where it still is."""
    proof = answer["proof"]
    yield f"erased:  {_counts(answer)}"
    yield f"file:    {size(answer['bytes_before'])} before, {size(answer['bytes_after'])} now, written anew"
    yield (
        f"proof:   the new file was read: {number(proof['rows'])} rows of {proof['tables']} tables hold"
        f" nothing of it, and its {size(proof['bytes'])} none of {proof['marks']} marks"
    )
    for path in answer["removed"]:
        yield f"removed: {path}"
    for path in answer["copies"]:
        yield f"BUT:     {path} is an older copy and still holds it: remove it, or keep it knowingly"
    for note in answer["notes"]:
        yield f"note:    {note}"


def _pairs(where: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in where:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"--where {pair}: write it as KEY=VALUE")
        if key.endswith("!") or value.startswith("~"):
            raise UsageError(f"--where {pair}: what is erased is named exactly: write it as KEY=VALUE")
        if found.setdefault(key, value) != value:
            raise UsageError(f"--where {key}: nothing has two values of it: forget one after the other")
    return found


def _forgotten(place: PlaceOption, what: Mapping[str, Any]) -> Mapping[str, Any]:
    from blackhole.cli.source import find_keeper  # noqa: PLC0415
    from blackhole.config import database_path  # noqa: PLC0415

    config = place.config()
    service = find_keeper(place, config)
    if service is not None:
        answer: dict[str, Any] = json.loads(service.forget(what))
        return answer
    path = database_path(config, place.data_dir)
    if not path.exists():
        raise UnavailableError(
            f"no service answers and {path} does not exist: nothing to forget, or name another --data-dir"
        )
    import msgspec  # noqa: PLC0415

    from blackhole.model.erasure import Forget  # noqa: PLC0415
    from blackhole.store.database import Database  # noqa: PLC0415
    from blackhole.store.upkeep import erase  # noqa: PLC0415

    forget = msgspec.convert(what, Forget)
    erase.check(forget)
    database = Database.open(path, read_only=forget.dry_run)
    try:
        target = erase.find(database, forget)
        forgotten = (
            erase.count(database, target)
            if forget.dry_run
            else erase.erase(database, target, created_ns=time.time_ns())
        )
    finally:
        database.close()
    told: dict[str, Any] = msgspec.to_builtins(forgotten)
    return told
