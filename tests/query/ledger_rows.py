"""Puts rows of the privacy ledger, and its head file, where the engine puts them."""

from collections.abc import Sequence

from blackhole.records import Entry, LedgerRow
from blackhole.store import ledger
from blackhole.store.database import Database


def keep(database: Database, rows: Sequence[LedgerRow]) -> None:
    with database.write() as connection:
        ledger.insert(connection, Entry(ledger=tuple(rows)))
