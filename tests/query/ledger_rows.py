"""Puts rows of the privacy ledger, and its head file, where the engine puts them."""

import json
from collections.abc import Sequence
from pathlib import Path

from blackhole.records import LedgerRow
from blackhole.store.database import Database


def keep(database: Database, rows: Sequence[LedgerRow]) -> None:
    with database.write() as connection:
        for row in rows:
            window = (None, None) if row.window is None else (row.window.start_ns, row.window.end_ns)
            connection.execute(
                "INSERT INTO privacy_ledger VALUES (?, make_timestamp_ns(?), ?, make_timestamp_ns(?),"
                " make_timestamp_ns(?), ?, make_timestamp_ns(?), make_timestamp_ns(?), ?, ?, ?, ?, ?)",
                [
                    *(row.sequence, row.time_ns, str(row.kind), row.period.start_ns, row.period.end_ns),
                    *(row.metric, *window, row.cost_epsilon, row.cost_rho, row.details),
                    *(row.previous, row.hash),
                ],
            )


def write_head(database: Path, row: LedgerRow) -> None:
    document = {"sequence": row.sequence, "hash": row.hash, "pending": []}
    database.with_name(database.name + ".head").write_text(json.dumps(document))
