"""Turns a regular expression and values into those that match, with RE2 as in Prometheus."""

import re
from collections.abc import Callable, Iterable

from blackhole.store.read.reader import Reader

_MATCHED = "SELECT value FROM (SELECT unnest($values) AS value) WHERE regexp_full_match(value, $pattern, 's')"
_GROUPS = (
    "SELECT value, {groups} FROM (SELECT unnest($values) AS value) WHERE regexp_full_match(value, $pattern)"
)
_MAX_VALUES = 200_000
_GROUP = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]])*\]|\((?!\?)|\(\?P?<(\w+)>", re.DOTALL
)


class Regexes:
    """Matches with DuckDB's RE2, whose time is linear in the length of the text."""

    def __init__(self, reader: Reader, left: Callable[[], float]) -> None:
        self._reader = reader
        self._left = left
        self._known: dict[tuple[str, str], bool] = {}

    def matched(self, pattern: str, values: Iterable[str]) -> set[str]:
        """Those of `values` that match as a whole."""
        pattern = _as_re2(pattern)
        wanted = set(values)
        new = [value for value in wanted if (pattern, value) not in self._known]
        if new:
            rows = self._reader.rows(
                _MATCHED,
                {"values": new, "pattern": pattern},
                max_rows=_MAX_VALUES,
                timeout=self._left(),
            ).rows
            found = {row[0] for row in rows}
            self._known.update(((pattern, value), value in found) for value in new)
        return {value for value in wanted if self._known[pattern, value]}

    def groups(self, pattern: str, values: Iterable[str]) -> dict[str, dict[str, str]]:
        """What the groups of `pattern` hold, by number and name, of each value that matches as a whole."""
        pattern = _as_re2(pattern)
        names = [match[1] for match in _GROUP.finditer(pattern) if match[0].startswith("(")]
        wanted = f"(?s:{pattern})"
        columns = ", ".join(f"regexp_extract(value, $whole, {n})" for n in range(len(names) + 1))
        rows = self._reader.rows(
            _GROUPS.format(groups=columns),
            {"values": list(set(values)), "pattern": wanted, "whole": f"^{wanted}$"},
            max_rows=_MAX_VALUES,
            timeout=self._left(),
        ).rows
        return {
            value: {
                **{str(number): text for number, text in enumerate(found)},
                **{name: text for name, text in zip(names, found[1:], strict=True) if name},
            }
            for value, *found in rows
        }


def _as_re2(pattern: str) -> str:
    """Writes `(?P<name>` for `(?<name>`: Go takes both, the RE2 here only the first."""
    return _GROUP.sub(
        lambda match: match[0].replace("(?<", "(?P<") if match[0].startswith("(?<") else match[0], pattern
    )
