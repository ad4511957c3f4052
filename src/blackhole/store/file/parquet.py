"""Turns lines of JSON into one Parquet file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from blackhole.errors import StoreError
from blackhole.store.file.rewrite import quoted
from blackhole.store.read.reader import one_line

_CONFIG: dict[str, Any] = {
    "threads": 1,
    "memory_limit": "256MiB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def write(lines: Path, parquet: Path, columns: Mapping[str, str]) -> None:
    """Writes the file. `columns`: names and DuckDB's types. Raises StoreError."""
    names = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in columns.items())
    chosen = ", ".join(map(quoted, columns))
    source = f"read_json({_text(str(lines))}, format = 'newline_delimited', columns = {{{names}}})"
    try:
        with duckdb.connect(config={**_CONFIG, "temp_directory": f"{lines}.tmp"}) as connection:
            connection.execute(
                f"COPY (SELECT {chosen} FROM {source}) TO {_text(str(parquet))}"
                " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)"
            )
    except duckdb.Error as error:
        raise StoreError(f"{parquet}: not written: {one_line(error)}") from None


def _text(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
