"""Turns the name of a file of SQL into its text."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

SQL = Path(__file__).parent / "sql"
_OF_SERIES = "series IN (SELECT unnest($ids::UINTEGER[]))"


@cache
def template(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def of_series(sql: str, ids: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """Fits SQL about the series $ids to the ids given, each of which is there once, and says what to bind.

    Consecutive ids become a range: a list of 2,000 takes as long to plan as reading some million samples.
    """
    if ids and max(ids) - min(ids) == len(ids) - 1:
        of_range = sql.replace(_OF_SERIES, "series BETWEEN $first_id AND $last_id")
        return of_range, {"first_id": min(ids), "last_id": max(ids)}
    return sql, {"ids": list(ids)}
