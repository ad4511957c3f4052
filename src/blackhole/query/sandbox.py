"""Turns people's SQL into rows: SELECT only, known tables and functions only, within limits."""

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from blackhole.errors import ForbiddenError, QueryError
from blackhole.query import functions
from blackhole.query import sql_fanout as multiplying
from blackhole.query.language import SqlAnswer
from blackhole.query.sql_fanout import walk
from blackhole.store.database import Database
from blackhole.store.read.reader import Reader, Table, too_large
from blackhole.store.tables import TABLES as STORED

_VIEWS = ("metrics", "points", "every_point", "histogram_points", "every_histogram_point", "spans", "logs")
TABLES = frozenset((*_VIEWS, *(table.name for table in STORED if table.shown)))
MAX_ROWS = 100_000
MAX_SQL = 16_384
MAX_BYTES = 64 * 2**20
TIMEOUT_S = 10.0
MOST_ITEMS = 100_000

_SOURCES = frozenset(
    ("BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT")
)
_NODES = frozenset(("SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE"))
_CLASSES = frozenset(
    (
        *(
            "COLUMN_REF",
            "CONSTANT",
            "FUNCTION",
            "OPERATOR",
            "COMPARISON",
            "CONJUNCTION",
            "CAST",
            "CASE",
            "TYPE",
        ),
        *("BETWEEN", "SUBQUERY", "STAR", "WINDOW", "LAMBDA", "LAMBDA_REF", "COLLATE", "POSITIONAL_REFERENCE"),
    )
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
# Comments, texts, quoted names, and any other character that says something.
_TOKEN = re.compile(
    r"""(--[^\n]*|/\*.*?\*/)|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\2\$|[^\s;]""", re.DOTALL
)
_ZONED = "TIMESTAMP WITH TIME ZONE"
_NESTED = ("STRUCT", "MAP", "UNION")
_FLAT_LIST = re.compile(r"[A-Z0-9_ ]+\[\]")
_JSON_INTEGERS = 2**63
_TAKEN = """
SELECT lower(table_name) FROM duckdb_tables() UNION SELECT lower(view_name) FROM duckdb_views()
"""

Json = dict[str, Any]


def run(database: Database, text: str, max_rows: int = 1000) -> SqlAnswer:
    """Runs one SELECT. Raises ForbiddenError for anything but a read, QueryError beyond the limits."""
    began = time.perf_counter()
    rows: list[list[Any]] = []
    shape, truncated = _ask(database, text, max_rows, rows.extend)
    return SqlAnswer(shape.columns, shape.types, rows, truncated, _milliseconds(began))


def document(database: Database, text: str, max_rows: int = 1000) -> list[bytes]:
    """As `run`, the answer as JSON in pieces: a row takes a fifth of the memory that its objects took."""
    began = time.perf_counter()
    pieces: list[bytes] = []
    size = 0

    def encode(rows: list[list[Any]]) -> None:
        nonlocal size
        pieces.append(msgspec.json.encode(rows)[1:-1])
        size += len(pieces[-1])
        if size > MAX_BYTES:
            raise too_large(MAX_BYTES)

    shape, truncated = _ask(database, text, max_rows, encode)
    empty = msgspec.json.encode(SqlAnswer(shape.columns, shape.types, [], truncated, _milliseconds(began)))
    return enclosed(empty, b'"rows":[]', pieces)


def enclosed(document: bytes, place: bytes, pieces: list[bytes]) -> list[bytes]:
    """`pieces` as the items of the empty list that `place` ends with.

    A text within `document` cannot look like `place`, since its quotes are escaped.
    """
    before, found, after = document.partition(place)
    separated = [piece for item in pieces for piece in (b",", item)]
    return [before + found[:-1], *separated[1:], found[-1:] + after]


def _ask(
    database: Database, text: str, max_rows: int, take: Callable[[list[list[Any]]], None]
) -> tuple[Table, bool]:
    """What the answer looks like, and whether there were more rows; `take` is given them, a few at a time."""
    if not 1 <= max_rows <= MAX_ROWS:
        raise QueryError(f"max_rows is from 1 to {MAX_ROWS:,}")
    if len(text) > MAX_SQL:
        raise QueryError(f"the statement is longer than {MAX_SQL:,} characters")
    statement = _without_end(text)
    if not statement:
        raise QueryError("the statement is empty: write a SELECT")
    left = max_rows
    with database.reader(yields=True) as reader:
        check(reader, statement)
        inner = f"(\n{statement}\n)"
        shape = reader.rows(f"SELECT * FROM {inner} LIMIT 0", timeout=TIMEOUT_S)
        columns = _columns(shape.columns, shape.types)
        sql = f"SELECT {columns} FROM {inner} LIMIT {max_rows + 1}"
        with closing(reader.chunks(sql, max_rows=max_rows + 1, timeout=TIMEOUT_S)) as chunks:
            for chunk in chunks:
                if rows := [[plain(value) for value in row] for row in chunk[: max(left, 0)]]:
                    take(rows)
                left -= len(chunk)
    return shape, left < 0


def _without_end(text: str) -> str:
    """Without the semicolons and comments behind the last word: within parentheses they are an error."""
    words = [token.end() for token in _TOKEN.finditer(text) if token[1] is None]
    return text[: words[-1]] if words else ""


def _milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)


def _columns(names: list[str], types: list[str]) -> str:
    """All columns; moments with a zone, also within lists, as UTC: Python would want a library for them.

    Lists are measured where they are small: in Python each item is an object.
    """
    replaced = []
    for name, kind in zip(map(_quoted, names), types, strict=True):
        plain_kind = kind.replace(_ZONED, "TIMESTAMP")
        value = name if plain_kind == kind else f"CAST({name} AS {plain_kind})"
        if kind == _ZONED:
            replaced.append(f"{value} AS {name}")
        elif kind.endswith("]") or kind.startswith(_NESTED):
            items = f"len({name})" if _FLAT_LIST.fullmatch(kind) else f"length(CAST({name} AS VARCHAR)) // 4"
            words = f"a list of more than {MOST_ITEMS:,} items: unnest it, or select less"
            replaced.append(
                f"CASE WHEN {items} > {MOST_ITEMS} THEN error('{words}') ELSE {value} END AS {name}"
            )
    return f"* REPLACE ({', '.join(replaced)})" if replaced else "*"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def check(reader: Reader, text: str) -> None:
    """Raises ForbiddenError unless `text` is one SELECT over known tables and functions."""
    tree = _parse(reader, text)
    names = {name.lower() for name in _common_tables(tree)}
    if names:
        _check_common_tables(reader, names)
    growing, gathers = 0, False
    for node in walk(tree):
        _check_node(node, names)
        name = str(node.get("function_name", "")).lower()
        gathers = gathers or multiplying.gathers(node)
        growing += _parts(node) if name in functions.GROWING else 0
    if gathers:
        multiplying.check(tree)
    most = functions.MAX_GROWING_OF_MUCH if gathers else functions.MAX_GROWING
    if growing > most:
        raise ForbiddenError(f"at most {most} concatenations and lists in a statement like this")


def _parts(node: Json) -> int:
    """How often a call can add to what it is given: `concat(a, b, c)` does what two `||` do."""
    given = [argument["expression"]["class"] for argument in node.get("arguments", ())]
    return max(len([kind for kind in given if kind != "CONSTANT"]) - 1, 1)


def _parse(reader: Reader, text: str) -> list[Json]:
    serialized = reader.rows("SELECT json_serialize_sql(?::VARCHAR)", [text]).rows[0][0]
    try:
        answer = msgspec.json.decode(serialized)
    except RecursionError:
        raise QueryError("the statement is nested too deeply: write it flatter") from None
    if answer["error"]:
        if answer.get("error_type") == "parser":
            raise QueryError(f"the statement is not SQL: {answer['error_message']}")
        raise ForbiddenError("only one SELECT: the database is for reading here")
    statements: list[Json] = answer["statements"]
    if len(statements) != 1:
        raise ForbiddenError("only one SELECT at a time")
    return statements


def _common_tables(tree: list[Json]) -> Iterator[str]:
    for node in walk(tree):
        for entry in node.get("cte_map", {}).get("map", ()):
            yield entry["key"]


def _check_common_tables(reader: Reader, names: set[str]) -> None:
    """A name that is also a table's would let a query reach that table from outside of the WITH."""
    taken = {name for (name,) in reader.rows(_TAKEN).rows}
    for name in names:
        if name in taken or not _NAME.fullmatch(name):
            raise ForbiddenError(f"WITH {name}: choose another name")


def _check_node(node: Json, names: set[str]) -> None:
    kind = node.get("type")
    if "cte_map" in node and kind not in _NODES:
        raise ForbiddenError("recursion is not allowed here")
    if "class" in node:
        _check_expression(node)
    elif "sample" in node and "cte_map" not in node:
        _check_source(node, names)


def _check_expression(node: Json) -> None:
    if node["class"] not in _CLASSES:
        raise ForbiddenError(f"{str(node['class']).lower().replace('_', ' ')} is not allowed here")
    if "function_name" not in node or node.get("checked"):
        return
    name = str(node["function_name"]).lower()
    if node.get("schema") not in {"", "main"} or name not in functions.SCALARS | functions.OPERATORS:
        raise ForbiddenError(f"the function {name} is not allowed here")


def _check_source(node: Json, names: set[str]) -> None:
    kind = node.get("type")
    if kind not in _SOURCES:
        raise ForbiddenError(f"{str(kind).lower().replace('_', ' ')} is not allowed here")
    if kind == "BASE_TABLE":
        name = str(node["table_name"]).lower()
        path = node.get("qualified_name", {}).get("path", [name])
        if (
            node["schema_name"] not in {"", "main"}
            or node["catalog_name"]
            or len(path) > 1 + bool(node["schema_name"])
        ):
            raise ForbiddenError(f"the table {name} is not allowed here: name it alone")
        if name not in TABLES and (name not in names or node["schema_name"]):
            raise ForbiddenError(f"the table {name} is not allowed here: ask {', '.join(sorted(TABLES))}")
    if kind == "TABLE_FUNCTION":
        function = node["function"]
        name = str(function.get("function_name", "")).lower()
        if function.get("class") != "FUNCTION" or function.get("schema") or name not in functions.TABLES:
            raise ForbiddenError(f"the table function {name} is not allowed here")
        function["checked"] = True


def plain(value: object) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """A value as JSON has it: moments as RFC 3339 in UTC, spans in seconds, no NaN."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -_JSON_INTEGERS <= value < _JSON_INTEGERS else str(value)
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat() + "Z" if value.tzinfo is None else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value)
