"""Turns the name of a file of SQL into its text."""

from functools import cache
from pathlib import Path

SQL = Path(__file__).parent / "sql"


@cache
def template(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
