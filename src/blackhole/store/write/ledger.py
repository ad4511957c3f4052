"""Turns entries of the privacy ledger into rows of the database, and keeps its end in a file beside that."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from blackhole.errors import StoreError
from blackhole.model.ledger import LedgerCommit, LedgerEnd, LedgerKind, LedgerRow, NoisyList
from blackhole.model.times import TimeRange
from blackhole.store.file import key as secret
from blackhole.store.read.reader import Reader

_COLUMNS = """sequence, epoch_ns(time), kind, epoch_ns(period_start), epoch_ns(period_end), metric,
    epoch_ns(window_start), epoch_ns(window_end), epsilon, rho, details, previous, hash"""

_INSERT_LEDGER = """
INSERT INTO privacy_ledger
SELECT $1, make_timestamp_ns($2), $3, make_timestamp_ns($4), make_timestamp_ns($5), $6, make_timestamp_ns($7),
    make_timestamp_ns($8), $9, $10, $11, $12, $13
"""

_INSERT_RELEASE = """
INSERT INTO releases
SELECT $1, $2, make_timestamp_ns($3), make_timestamp_ns($4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
    make_timestamp($16::BIGINT)
"""

_INSERT_LIST = """
INSERT INTO released_lists
SELECT $1, make_timestamp_ns($2), $3::DOUBLE[], $4::DOUBLE[], make_timestamp($5::BIGINT)
"""

_TAIL = f"""
SELECT {_COLUMNS} FROM privacy_ledger
WHERE sequence >= (
    SELECT coalesce(max(sequence), 0) FROM privacy_ledger
    WHERE kind IN ('{LedgerKind.PERIOD}', '{LedgerKind.OFF}'))
ORDER BY sequence
"""

_PAGE = f"""
SELECT {_COLUMNS} FROM privacy_ledger WHERE sequence > $after ORDER BY sequence LIMIT $most
"""

_BEFORE = f"""
SELECT {_COLUMNS} FROM privacy_ledger WHERE sequence < $before ORDER BY sequence DESC LIMIT $most
"""

_PERIOD = f"""
SELECT {_COLUMNS} FROM privacy_ledger WHERE kind = '{LedgerKind.PERIOD}' ORDER BY sequence DESC LIMIT 1
"""


def tail(reader: Reader) -> list[LedgerRow]:
    """The rows since the last budget period began, oldest first."""
    return [_row(row) for row in reader.rows(_TAIL).rows]


def page(reader: Reader, after: int, most: int) -> list[LedgerRow]:
    """At most `most` rows after the sequence `after`, oldest first."""
    return [_row(row) for row in reader.rows(_PAGE, {"after": after, "most": most}).rows]


def before(reader: Reader, sequence: int, most: int) -> list[LedgerRow]:
    """At most `most` rows before `sequence`, the newest first."""
    return [_row(row) for row in reader.rows(_BEFORE, {"before": sequence, "most": most}).rows]


def newest_period(reader: Reader) -> LedgerRow | None:
    """The row that began the newest budget period, with its plan."""
    rows = reader.rows(_PERIOD).rows
    return _row(rows[0]) if rows else None


def insert(connection: duckdb.DuckDBPyConnection, entry: LedgerCommit) -> None:
    """Adds an entry within the open transaction."""
    for row in entry.ledger:
        connection.execute(_INSERT_LEDGER, _values(row))
    for release in entry.releases:
        receipt, window = release.receipt, release.window
        connection.execute(
            _INSERT_RELEASE,
            [
                release.ledger,
                receipt.metric,
                window.start_ns,
                window.end_ns,
                receipt.unit,
                receipt.mechanism,
                receipt.epsilon,
                receipt.delta,
                receipt.rho,
                receipt.scale,
                receipt.count_scale,
                receipt.factorisation,
                receipt.step,
                msgspec.json.encode(receipt).decode(),
                release.lost,
                release.created_us,
            ],
        )


def insert_lists(
    connection: duckdb.DuckDBPyConnection, lists: Sequence[NoisyList], *, created_us: int
) -> None:
    """Adds released histograms and gauges within the open transaction."""
    for one in lists:
        bounds = None if one.bounds is None else list(one.bounds)
        connection.execute(_INSERT_LIST, [one.series, one.time_ns, bounds, list(one.noisy), created_us])


def is_stored(connection: duckdb.DuckDBPyConnection, entry: LedgerCommit) -> bool:
    """Whether a commit with this entry, reported as failed, reached the file all the same."""
    last = entry.ledger[-1]
    found = connection.execute(
        "SELECT hash FROM privacy_ledger WHERE sequence = ?", [last.sequence]
    ).fetchall()
    return found == [(last.hash,)]


def head_path(database: Path) -> Path:
    return database.with_name(database.name + ".head")


def read_head(database: Path) -> LedgerEnd | None:
    """The head of the ledger, or None where there is no such file. Raises StoreError when it is none."""
    path = head_path(database)
    try:
        return msgspec.convert(json.loads(path.read_bytes()), LedgerEnd)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}: give it to the service's user") from None
    except ValueError:
        raise StoreError(
            f"{path}: not the head of a privacy ledger: restore it, or remove it (that spends the period)"
        ) from None


def write_head(database: Path, rows: Sequence[LedgerRow]) -> None:
    """Writes what the ledger's end will be, so that it is on the disk before the rows are committed."""
    last = rows[-1]
    head = LedgerEnd(last.sequence, last.hash, last.time_ns, last.period.end_ns, tuple(rows))
    # The cost of switching differential privacy off is infinite, which msgspec would write as null.
    secret.write_durably(head_path(database), json.dumps(msgspec.to_builtins(head)).encode())


def _values(row: LedgerRow) -> list[Any]:
    window = (None, None) if row.window is None else (row.window.start_ns, row.window.end_ns)
    return [
        row.sequence,
        row.time_ns,
        row.kind.value,
        row.period.start_ns,
        row.period.end_ns,
        row.metric,
        *window,
        row.cost_epsilon,
        row.cost_rho,
        row.details,
        row.previous,
        row.hash,
    ]


def _row(said: Sequence[Any]) -> LedgerRow:
    sequence, time_ns, kind, *rest = said
    period_start, period_end, metric, window_start, window_end, *costs_and_hashes = rest
    window = None if window_start is None else TimeRange(window_start, window_end)
    period = TimeRange(period_start, period_end)
    return LedgerRow(sequence, time_ns, LedgerKind(kind), period, metric, window, *costs_and_hashes)
