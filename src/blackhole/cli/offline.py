"""Answers reading commands from the database file, opened read-only, when no service runs."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from blackhole.catalogue.load import files, load
from blackhole.config import Config
from blackhole.errors import UsageError
from blackhole.privacy.ledger import withheld_until
from blackhole.query.language import Query
from blackhole.query.run import QueryService
from blackhole.runtime import clock
from blackhole.store.database import Database
from blackhole.store.file.files import set_aside
from blackhole.store.upkeep import doubt

# As many as `metrics` has rows, which would unpack all chunks. Guarded metrics stand in no count.
_COUNTS = """
WITH counted AS (
    SELECT series, count(*) AS points FROM recent_points GROUP BY series
    UNION ALL
    SELECT series, count(*) FROM recent_histogram_points WHERE count > 0 AND sum IS NOT NULL GROUP BY series
    UNION ALL
    SELECT series, sum(count) FROM chunks GROUP BY series
    UNION ALL
    SELECT series, sum(len(list_filter(list_zip(counts, sums), lambda o: o[1] > 0 AND o[2] IS NOT NULL)))
    FROM histogram_chunks GROUP BY series
)
SELECT (SELECT coalesce(sum(c.points), 0)::BIGINT
        FROM counted AS c JOIN series AS s ON s.id = c.series WHERE s.privacy_level < 2),
    (SELECT count(DISTINCT metric) FROM series WHERE privacy_level < 2)
"""


class File:
    """The database file at `path`. Raises StoreError when it cannot be read."""

    def __init__(self, path: Path, config: Config, data_dir: Path) -> None:
        self.name = str(path)
        self._path = path
        self._database = Database.open(path, read_only=True)
        catalogue = load(files(config, data_dir))
        self._runner = QueryService(self._database, catalogue, windows=config, now=time.time)

    def query(self, question: Mapping[str, Any]) -> bytes:
        try:
            query = msgspec.convert(question, Query)
        except msgspec.ValidationError as error:
            raise UsageError(f"the query is not understood: {error}") from None
        return b"".join(self._runner.query_document(query))

    def sql(self, text: str, max_rows: int) -> bytes:
        return b"".join(self._runner.sql_document(text, max_rows=max_rows))

    def metrics(self) -> bytes:
        return msgspec.json.encode({"metrics": self._runner.metrics()})

    def status(self) -> bytes:
        with self._database.reader() as reader:
            points, metrics = reader.rows(_COUNTS).rows[0]
        return msgspec.json.encode(
            {
                "running": False,
                "database": str(self._path),
                "database_bytes": self._database.size(),
                "points": points,
                "metrics": metrics,
                "set_aside": [str(path) for path in set_aside(self._path)],
                "notes": self._clock_notes(),
            }
        )

    def _clock_notes(self) -> list[str]:
        now_ns = time.time_ns()
        withheld_ns = withheld_until(self._database.ledger_tail(), now_ns)
        return clock.notes(doubt.read_memory(self._path), now_ns=now_ns, withheld_ns=withheld_ns)

    def privacy_budget(self) -> bytes:
        return msgspec.json.encode(self._runner.privacy_budget())

    def privacy_ledger(self, before: int | None, limit: int) -> bytes:
        return msgspec.json.encode(self._runner.privacy_ledger(before, limit))

    def close(self) -> None:
        self._database.close()
