"""What is to be forgotten or copied, and the proof that it was."""

import msgspec


class Forget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be erased: metrics (`shop.*`: all that begin so), what has attributes, both, or all.

    `dry_run`: only counted.
    """

    metric: str | list[str] = ""
    where: dict[str, str] = {}
    all: bool = False
    dry_run: bool = False

    @property
    def metrics(self) -> list[str]:
        return [name for name in (self.metric if isinstance(self.metric, list) else [self.metric]) if name]

    def names(self, metric: str) -> bool:
        """Whether all of a metric is to be erased."""
        named = any(
            metric.startswith(name[:-1]) if name.endswith("*") else metric == name for name in self.metrics
        )
        return self.all or (named and not self.where)


class Proof(msgspec.Struct, frozen=True):
    """What was read of the new file: tables, rows and bytes; `marks` of what was erased are in none."""

    tables: int = 0
    rows: int = 0
    bytes: int = 0
    marks: int = 0


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased. `rows`: by table; `copies`: files that still hold it; `removed`: those that did.

    `dry_run`: nothing was; it is what would be.
    """

    series: int
    rows: dict[str, int]
    bytes_before: int
    bytes_after: int
    proof: Proof
    removed: list[str] = []
    copies: list[str] = []
    notes: list[str] = []
    dry_run: bool = False


class BackupFile(msgspec.Struct, frozen=True):
    path: str
    bytes: int


class BackupAnswer(msgspec.Struct, frozen=True):
    files: list[BackupFile]
