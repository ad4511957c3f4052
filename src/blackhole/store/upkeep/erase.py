"""Writes a file without what is to be forgotten, and proves it by reading the new file."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from blackhole.errors import UsageError
from blackhole.model.erasure import Forget, Forgotten, Proof
from blackhole.store.database import Database
from blackhole.store.file import allocator, files, proof
from blackhole.store.file.rewrite import CATALOG, RewritePlan, RewriteResult, RowCondition, quoted
from blackhole.store.read.reader import Reader
from blackhole.store.tables import TABLES

KEPT = frozenset(table.name for table in TABLES if not table.measured)
_MOST_METRICS = 100
# DuckDB fills gaps of blocks with what their memory held before, which may be what is to be erased.
_TRIES = 3

log = logging.getLogger(__name__)

_COLUMNS = """
SELECT c.table_name, list(c.column_name) FROM duckdb_columns() AS c
JOIN duckdb_tables() AS t ON t.table_oid = c.table_oid AND t.database_name = c.database_name
WHERE c.database_name = current_database() AND NOT t.temporary GROUP BY 1
"""
_SAID = "concat_ws(' ', insight_type, title, description, CAST(metrics AS VARCHAR))"

# A space cannot occur in a metric's name, so it separates name and attributes.
_NAMED = "({metric} || ' ' || attributes::VARCHAR)"

Columns = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True)
class AggregateScope:
    """Metrics whose sums may hold erased values. `others`: series that stay, and so do their sums."""

    metrics: frozenset[str] = frozenset()
    others: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """The output series that are to be erased, their metrics, and the condition for each table."""

    forget: Forget
    series: frozenset[int]
    metrics: frozenset[str]
    conditions: Mapping[str, RowCondition]


def check(forget: Forget) -> None:
    """Raises UsageError unless it says what to forget, so that nobody forgets everything by mistake."""
    if forget.all and (forget.metric or forget.where):
        raise UsageError("`all` erases everything: leave `metric` and `where` away, or leave `all` away")
    if not (forget.all or forget.metric or forget.where):
        raise UsageError("nothing to forget: name a metric, an attribute (where), or all")
    if len(forget.metrics) > _MOST_METRICS:
        raise UsageError(f"at most {_MOST_METRICS} metrics at once: forget the others afterwards")
    if any(name.rstrip("*") in {"", "."} or "*" in name[:-1] for name in forget.metrics):
        raise UsageError("a metric is a name, or the beginning of names with a star: `shop.*`")


def find(database: Database, forget: Forget) -> ErasurePlan:
    """What is stored of it now. Raises UsageError, QueryError."""
    check(forget)
    with database.reader() as reader:
        columns = {str(table): set(names) for table, names in reader.rows(_COLUMNS).rows}
        rows = _series(reader, forget)
        series = frozenset(number for number, _ in rows)
        metrics = frozenset(metric for _, metric in rows)
        mixed = AggregateScope(metrics, frozenset(_others(reader, series, metrics) if forget.where else ()))
    return ErasurePlan(forget, series, metrics, _conditions(forget, series, mixed, columns))


def count(database: Database, target: ErasurePlan) -> Forgotten:
    """What `erase` would take out of the file as it is now. Raises QueryError."""
    with database.reader() as reader:
        rows = {
            table: int(
                reader.rows(
                    f"SELECT count(*) FROM {quoted(table)} WHERE {condition.sql}", list(condition.params)
                ).rows[0][0]
            )
            for table, condition in target.conditions.items()
        }
    size = database.size()
    copies = [str(path) for path in files.copies(database.path)]
    return Forgotten(
        series=len(target.series),
        rows={table: number for table, number in rows.items() if number},
        bytes_before=size,
        bytes_after=size,
        proof=Proof(),
        removed=copies if target.forget.all else [],
        copies=[] if target.forget.all else copies,
        notes=["what is gathered for an open window or waits for its commit is not counted"],
        dry_run=True,
    )


def erase(database: Database, target: ErasurePlan, *, created_ns: int) -> Forgotten:
    """Rewrites the file without what `target` names, and proves it before the exchange.

    `created_ns`: when the file counts as made. Forgotten cumulative streams began before that, so they go on
    from a baseline. Raises StoreError; then nothing was erased.
    """
    marks, rewritten = _rewritten(database, target, created_ns)
    removed = files.copies(database.path) if target.forget.all else []
    files.remove(removed)
    rows = {table: count for table, count in rewritten.left_out.items() if count}
    log.info("%d rows were erased, and the database was rewritten", sum(rows.values()))
    return Forgotten(
        series=len(target.series),
        rows=rows,
        bytes_before=rewritten.bytes_before,
        bytes_after=rewritten.bytes_after,
        proof=marks.proof,
        removed=[str(path) for path in removed],
        copies=[str(path) for path in files.copies(database.path)],
        notes=_notes(rows, target.forget),
    )


def _rewritten(
    database: Database, target: ErasurePlan, created_ns: int
) -> tuple[proof.ForensicMarks, RewriteResult]:
    for _ in range(_TRIES - 1):
        with suppress(proof.RemainsError):
            return _rewritten_once(database, target, created_ns)
        log.info("memory with what is to be erased came into the new file: it is written once more")
    return _rewritten_once(database, target, created_ns)


def _rewritten_once(
    database: Database, target: ErasurePlan, created_ns: int
) -> tuple[proof.ForensicMarks, RewriteResult]:
    marks = proof.ForensicMarks()

    def amend(connection: duckdb.DuckDBPyConnection) -> None:
        marks.gather(connection, target.conditions, kept=KEPT | {"asked"} if target.forget.where else KEPT)
        if "streams" in target.conditions:
            connection.execute(f"UPDATE {CATALOG}.schema_version SET created_ns = ?", [created_ns])
        allocator.give_memory_back()  # before what is new is written: memory comes back empty

    def prove(fresh: Path) -> None:
        marks.search(fresh, target.conditions)

    allocator.give_memory_back()
    rewritten = database.rewrite(RewritePlan(target.conditions, amend, prove))
    allocator.give_memory_back()  # for all that is written from here on
    return marks, rewritten


def _notes(rows: Mapping[str, int], forget: Forget) -> list[str]:
    said = []
    if not rows:
        said.append("nothing that is stored matched; the file was rewritten all the same")
    if forget.where:
        said.append("of highly sensitive metrics what the open window holds comes with its release")
    return said


def _series(reader: Reader, forget: Forget) -> list[tuple[int, str]]:
    condition = _by_name_and_attributes(forget, "metric", "attributes", AggregateScope())
    rows = reader.rows(f"SELECT id, metric FROM series WHERE {condition.sql}", list(condition.params)).rows
    return [(number, metric) for number, metric in rows]


def _others(reader: Reader, series: frozenset[int], metrics: frozenset[str]) -> list[str]:
    """Metric and attributes of the series of those metrics that stay."""
    sql = (
        f"SELECT {_NAMED.format(metric='metric')} FROM series"
        " WHERE metric IN (SELECT unnest($1::VARCHAR[])) AND id NOT IN (SELECT unnest($2::UINTEGER[]))"
    )
    return [str(row[0]) for row in reader.rows(sql, [sorted(metrics), sorted(series)]).rows]


def _conditions(
    forget: Forget, series: frozenset[int], mixed: AggregateScope, columns: Columns
) -> dict[str, RowCondition]:
    """A condition for each table that has something to erase. It follows from the table's columns."""
    found = {}
    for table, names in columns.items():
        if table in KEPT:
            continue
        condition = _condition(forget, series, mixed, table, set(names))
        if condition is not None:
            found[table] = condition
    return found


def _condition(
    forget: Forget, series: frozenset[int], mixed: AggregateScope, table: str, names: set[str]
) -> RowCondition | None:
    key = "id" if table == "series" else "series"
    if key in names:
        return _of_series(forget, series, key)
    if forget.all:
        return RowCondition("true")
    if table == "insights":
        return _mentioned(forget, mixed.metrics)
    name = next((name for name in ("metric_name", "metric") if name in names), None)
    return None if name is None else _of_metrics(forget, mixed, table, name, "attributes" in names)


def _of_series(forget: Forget, series: frozenset[int], key: str) -> RowCondition:
    if forget.all:  # series that are new by then belong to what came afterwards
        return RowCondition(f"{key} <= $1", (max(series, default=0),))
    return RowCondition(f"{key} IN (SELECT unnest($1::UINTEGER[]))", (sorted(series),))


def _of_metrics(
    forget: Forget, mixed: AggregateScope, table: str, name: str, has_attributes: bool
) -> RowCondition | None:
    if not forget.where:
        return _by_name_and_attributes(forget, name, None, mixed)
    if has_attributes:
        return _by_name_and_attributes(forget, name, "attributes", mixed)
    # `asked` says nothing of single attributes. Sums over all attributes hold the erased one, too.
    return None if table == "asked" else _among(name, mixed.metrics)


def _among(column: str, metrics: frozenset[str]) -> RowCondition:
    return RowCondition(f"{quoted(column)} IN (SELECT unnest($1::VARCHAR[]))", (sorted(metrics),))


def _by_name_and_attributes(
    forget: Forget, name: str, attributes: str | None, mixed: AggregateScope
) -> RowCondition:
    """Rows of the metrics with these attributes, and rows of `mixed` metrics that may sum over a key."""
    params: list[object] = []

    def bound(value: object) -> str:
        params.append(value)
        return f"${len(params)}"

    named = [
        f"starts_with({name}, {bound(metric[:-1])})" if metric.endswith("*") else f"{name} = {bound(metric)}"
        for metric in forget.metrics
    ]
    sql = f"({' OR '.join(named)})" if named else "true"
    if attributes is not None and forget.where:
        paths = {key: f"{bound(_pointer(key))}::VARCHAR" for key in forget.where}
        same = [
            f"json_extract_string({attributes}, {paths[key]}) = {bound(value)}"
            for key, value in forget.where.items()
        ]
        alike = " AND ".join(same)
        if mixed.metrics:
            missing = [f"json_type({attributes}, {path}) IS NULL" for path in paths.values()]
            fitting = " AND ".join(f"({one} OR {none})" for one, none in zip(same, missing, strict=True))
            among = f"{name} IN (SELECT unnest({bound(sorted(mixed.metrics))}::VARCHAR[]))"
            own = f"{_NAMED.format(metric=name)} IN (SELECT unnest({bound(sorted(mixed.others))}::VARCHAR[]))"
            alike = f"({alike}) OR ({fitting} AND {among} AND NOT coalesce({own}, false))"
        sql = f"{sql} AND ({alike})"
    return RowCondition(sql, tuple(params))


def _mentioned(forget: Forget, metrics: frozenset[str]) -> RowCondition:
    """Texts that mention one of the metrics, or a value of one of the attributes."""
    if forget.where:
        return RowCondition(
            f"list_bool_or([contains({_SAID}, w) FOR w IN $1])", (list(forget.where.values()),)
        )
    names = sorted({*metrics, *(name.rstrip("*") for name in forget.metrics)})
    return RowCondition(f"list_bool_or([contains({_SAID}, w) FOR w IN $1])", (names,))


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")
