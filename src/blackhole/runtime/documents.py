"""Turns YAML that a person wrote into plain data, and refuses what would be lost silently."""

from pathlib import Path
from typing import Any


class DocumentError(Exception):
    """Not YAML, or a key that stands twice. `line`: from 1, None if unknown."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem)
        self._problem = problem
        self._line = line

    def told_of(self, path: Path) -> str:
        """One line: where, what, and what to do."""
        line = "" if self._line is None else f", line {self._line}"
        return f"{path}{line}: {self._problem}: mend the YAML"


def parse_yaml(text: str) -> Any:
    """Parses YAML.

    YAML takes the last of two equal keys, though a person may mean the first. So it raises DocumentError.
    """
    import yaml  # noqa: PLC0415  (costs start-up time, and most runs have no file)

    try:
        # Forbidden characters raise when the loader is made.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_keys_that_stand_twice(node, set())
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise DocumentError(problem, None if mark is None else mark.line + 1) from None
    except (ValueError, RecursionError):
        # Impossible dates, numbers of thousands of digits and very deep lists raise other errors.
        raise DocumentError("a value cannot be read", None) from None


def _refuse_keys_that_stand_twice(node: Any, visited: set[int]) -> None:
    if id(node) in visited or not isinstance(node.value, list):
        return
    visited.add(id(node))
    seen: set[tuple[str, str]] = set()
    for item in node.value:
        if not isinstance(item, tuple):
            _refuse_keys_that_stand_twice(item, visited)
            continue
        key, value = item
        if isinstance(key.value, str):
            named = key.tag, key.value
            if named in seen:
                raise DocumentError(f"`{key.value[:40]}` stands here twice", key.start_mark.line + 1)
            seen.add(named)
        _refuse_keys_that_stand_twice(value, visited)
