"""Turns rows into a file of one of the formats that `blackhole export` writes."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from blackhole.query.export import COLUMNS

FileRow = Mapping[str, Any]
_LISTS = ("bounds", "buckets")


def write(path: Path, form: str, rows: Iterable[FileRow]) -> int:
    """Writes a new file that only its owner may read; returns how many rows it has. Raises OSError."""
    if form == "parquet":
        return _parquet(path, rows)
    writers: dict[str, Callable[[IO[str], Iterable[FileRow]], int]] = {"csv": _csv, "json": _json}
    with _private(path) as file:
        return writers[form](file, rows)


def _private(path: Path) -> IO[str]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return open(handle, "w", encoding="utf-8", newline="")  # noqa: PTH123  (a handle, not a path)


def _csv(file: IO[str], rows: Iterable[FileRow]) -> int:
    """Lists as JSON, nothing as an empty cell."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  (it is returned)
        cells = (
            json.dumps(value) if name in _LISTS and value is not None else value
            for name, value in row.items()
        )
        writer.writerow("" if cell is None else cell for cell in cells)
    return count


def _json(file: IO[str], rows: Iterable[FileRow]) -> int:
    """One array, a row a line."""
    count = 0
    file.write("[")
    for count, row in enumerate(rows, start=1):
        attributes = json.loads(row["attributes"])
        file.write(("," if count > 1 else "") + "\n" + json.dumps({**row, "attributes": attributes}))
    file.write("\n]\n")
    return count


def _parquet(path: Path, rows: Iterable[FileRow]) -> int:
    from blackhole.store.file import parquet  # noqa: PLC0415  (loads the database engine)

    lines = path.with_name(f"{path.name}.lines")
    count = 0
    before = os.umask(0o077)  # DuckDB makes the file, under a name of its own at first
    try:
        with _private(lines) as file:
            for count, row in enumerate(rows, start=1):  # noqa: B007
                file.write(json.dumps(row) + "\n")
        parquet.write(lines, path, COLUMNS)
    finally:
        os.umask(before)
        lines.unlink(missing_ok=True)
    return count
