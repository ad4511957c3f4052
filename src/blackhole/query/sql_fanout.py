"""Refuses statements that would copy a long list or text for each row, of which DuckDB's limit knows nothing.

A join or `unnest` lets many rows share one list, and most functions give each row a copy of its own first:
of a list of 100,000 numbers 2,048 at once, which are gigabytes before anybody looks.
"""

from collections.abc import Iterator
from typing import Any

from blackhole.errors import ForbiddenError
from blackhole.query import functions

SyntaxJson = dict[str, Any]


def walk(value: object) -> Iterator[SyntaxJson]:
    """All objects of a parsed statement."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def check(tree: list[SyntaxJson]) -> None:
    """Raises ForbiddenError. `tree` has long lists: gathered ones, or those of chunks."""
    if any(_is_held(node) for node in walk(tree)):
        _check_held(tree)
    heavy = _gathering_names(tree)
    for node in walk(tree):
        if node.get("class") == "LAMBDA":
            _check_lambda(node)
        elif node.get("class") == "WINDOW" and _name(node) in functions.GATHERING:
            raise ForbiddenError(f"{_name(node)} over a window is not allowed here: group instead")
        elif (
            node.get("class") == "SUBQUERY"
            or node.get("type") == "JOIN"
            or (
                node.get("type") == "SELECT_NODE"
                and any(_name(n) == "unnest" for n in walk(node["select_list"]))
            )
        ):
            _check_alone(node, heavy)


def gathers(node: SyntaxJson) -> bool:
    """Whether it makes a list or text of many rows, or reads a table that holds such."""
    return _name(node) in functions.GATHERING or _is_held(node)


def _unnests(expressions: object) -> bool:
    return any(_name(node) == "unnest" for node in walk(expressions))


def _check_alone(node: SyntaxJson, heavy: set[str]) -> None:
    if _is_heavy(node, heavy):
        raise ForbiddenError(
            "what list, string_agg and the like have gathered cannot be joined, unnested or be a subquery's"
            " value here: gather last"
        )


def _check_held(tree: list[SyntaxJson]) -> None:
    for node in walk(tree):
        if _name(node) in functions.GROWING | functions.SLICES:
            raise ForbiddenError(
                f"{_name(node)} is not allowed beside chunks, which hold long lists: ask points or"
                " histogram_points"
            )


def _check_lambda(node: SyntaxJson) -> None:
    """Whatever it names besides what it is given is copied for each item."""
    given = {ref["column_names"][-1] for ref in _columns(node["lhs"])}
    if any(ref["column_names"][0] not in given for ref in _columns(node["expr"])):
        raise ForbiddenError("a lambda beside long lists may only name what it is given")


def _columns(value: object) -> Iterator[SyntaxJson]:
    """Without those of inner lambdas, which are looked at by themselves."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, list):
            waiting.extend(current)
        elif isinstance(current, dict) and current.get("class") == "COLUMN_REF":
            yield current
        elif isinstance(current, dict) and current.get("class") != "LAMBDA":
            waiting.extend(current.values())


def _gathering_names(tree: list[SyntaxJson]) -> set[str]:
    """Of WITH: what gathers itself, or reads from what does."""
    parts = [
        (str(entry["key"]).lower(), entry["value"])
        for node in walk(tree)
        for entry in node.get("cte_map", {}).get("map", ())
    ]
    found: set[str] = set()
    while more := {name for name, part in parts if name not in found and _is_heavy(part, found)}:
        found |= more
    return found


def _is_heavy(value: object, names: set[str]) -> bool:
    return any(
        _name(node) in functions.GATHERING or str(node.get("table_name", "")).lower() in names
        for node in walk(value)
    )


def _is_held(node: SyntaxJson) -> bool:
    return str(node.get("table_name", "")).lower() in functions.HELD


def _name(node: SyntaxJson) -> str:
    return str(node.get("function_name", "")).lower()
