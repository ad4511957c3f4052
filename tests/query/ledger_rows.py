"""Puts rows of the privacy ledger, and its head file, where the engine puts them."""

from collections.abc import Sequence

from blackhole.model.ledger import LedgerCommit, LedgerRow
from blackhole.store.database import Database
from blackhole.store.write import ledger


def keep(database: Database, rows: Sequence[LedgerRow]) -> None:
    with database.write() as connection:
        ledger.insert(connection, LedgerCommit(ledger=tuple(rows)))
