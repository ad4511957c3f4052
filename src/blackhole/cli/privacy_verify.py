"""`blackhole privacy verify`: replays the whole ledger and says whether its promise was kept."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.cli.render import number

if TYPE_CHECKING:
    from blackhole.cli.source import Source
    from blackhole.model.ledger import LedgerRow
    from blackhole.privacy.verify import Replay

_PAGE = 1000
_MOST_FAULTS = 20


@click.command("verify")
@reading
def command(place: PlaceOption) -> int:
    """Replay the ledger: its hash chain, what each period was charged, each release once, the head file."""
    import msgspec  # noqa: PLC0415

    from blackhole.cli.source import opened  # noqa: PLC0415

    with opened(place) as source:
        found, pending = replay(source)
    if place.as_json:
        answer = {"ok": not found.faults, **msgspec.to_builtins(found)}
        click.echo(msgspec.json.encode(answer).decode())
    elif found.faults:
        click.echo(f"the ledger of {source.name} is not right:")
        for fault in found.faults[:_MOST_FAULTS]:
            click.echo(f"- {fault}")
        if len(found.faults) > _MOST_FAULTS:
            click.echo(f"… and {len(found.faults) - _MOST_FAULTS} more: see --json")
    else:
        if pending:
            click.echo(
                f"{pending} rows are in the head file only, since the service was killed before the"
                " database had them: they count, and its next start enters them."
            )
        click.echo(
            f"the ledger is right: {number(found.rows)} rows, {number(found.releases)} releases in"
            f" {number(found.periods)} budget periods, none charged more than planned.\n"
            "This shows that the rows agree with each other and the head file, not who wrote them."
        )
    return 1 if found.faults else 0


def replay(source: "Source") -> tuple["Replay", int]:
    """What a replay of the whole ledger finds, and how many of its rows are in the head file only."""
    import msgspec  # noqa: PLC0415

    from blackhole.privacy.verify import verify  # noqa: PLC0415
    from blackhole.query.privacy_answers import LedgerPage, to_row  # noqa: PLC0415

    newest = msgspec.json.decode(source.privacy_ledger(None, 1), type=LedgerPage)
    pending = [] if newest.head is None else [to_row(entry) for entry in newest.head.pending]
    head = None if newest.head is None else (newest.head.sequence, newest.head.hash)
    return verify(chain(_rows(source, newest.newest), pending), head), len(pending)


def _rows(source: "Source", newest: int) -> Iterator["LedgerRow"]:
    """All rows from the first on, a page at a time."""
    import msgspec  # noqa: PLC0415

    from blackhole.query.privacy_answers import LedgerPage, to_row  # noqa: PLC0415

    for first in range(1, newest + 1, _PAGE):
        count = min(_PAGE, newest + 1 - first)
        body = source.privacy_ledger(first + count, count)
        for entry in reversed(msgspec.json.decode(body, type=LedgerPage).rows):
            # Where rows are missing a page reaches back into the one before.
            if entry.sequence >= first:
                yield to_row(entry)
