"""Turns answers of PromQL into the JSON of Prometheus' HTTP API, a piece for each series."""

from collections.abc import Iterator
from typing import Any

import msgspec

from blackhole.promql.engine import EvaluatedPoint, Result
from blackhole.promql.names import Labels, number_text, short_text

_CUT = "results truncated due to limit"


class Success(msgspec.Struct, frozen=True, omit_defaults=True):
    """`data` is as Prometheus has it for the operation."""

    data: Any
    status: str
    warnings: list[str] = []


class QueryFailure(msgspec.Struct, frozen=True):
    """`errorType`: bad_data, execution, timeout, unavailable or internal."""

    status: str
    errorType: str  # noqa: N815 - Prometheus' name
    error: str


def listed(found: list[Any], limit: int | None) -> Success:
    """At most `limit` of what was found, with a warning when that is less."""
    cut = limit is not None and len(found) > limit
    return Success(found[:limit], "success", [_CUT] if cut else [])


def pieces(found: Result, limit: int | None, *, instant: bool) -> list[bytes]:
    """The document. The series of `found` are given up one by one, so that little is held twice."""
    cut = limit is not None and len(found.series) > limit
    if found.kind in {"scalar", "string"}:
        moment, value = found.series[0][1][0]
        text = found.text if found.kind == "string" else number_text(value)
        results: Iterator[bytes] = iter([msgspec.json.encode([moment, text])])
        opening, closing = b"", b""
    else:
        del found.series[limit if limit is not None else len(found.series) :]
        results = _series(found.series, single=instant and found.kind == "vector")
        opening, closing = b"[", b"]"
    document = [b'{"status":"success","data":{"resultType":"%s","result":%s' % (found.kind.encode(), opening)]
    for result in results:
        document += (result, b",")
    if len(document) > 1:
        document.pop()
    warnings = b',"warnings":%s' % msgspec.json.encode([_CUT]) if cut else b""
    document.append(b"%s}%s}" % (closing, warnings))
    return document


def _series(series: list[tuple[Labels, list[EvaluatedPoint]]], *, single: bool) -> Iterator[bytes]:
    series.reverse()
    while series:
        labels, points = series.pop()
        texts = [(moment, short_text(value)) for moment, value in points]
        yield msgspec.json.encode(
            {"metric": labels, "value": texts[0]} if single else {"metric": labels, "values": texts}
        )
