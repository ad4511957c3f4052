"""Adds metrics to the owner's catalogue while the service runs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from blackhole.catalogue.allow import Allowed, Permission, add, decide
from blackhole.catalogue.load import OWNER_FILE, Catalogue, load
from blackhole.catalogue.load import files as catalogue_files
from blackhole.config import Config
from blackhole.guard.engine import Guard
from blackhole.pipeline import Pipeline
from blackhole.privacy.scrub import names_somebody

_log = logging.getLogger("blackhole")


class GoesByCatalogue(Protocol):
    """A part that judges or answers by a catalogue, and can be given another one."""

    def recatalogue(self, catalogue: Catalogue, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Allowing:
    """Allows metrics by name. `others`: parts besides the guard that use the catalogue."""

    config: Config
    data_dir: Path
    guard: Guard
    pipeline: Pipeline
    others: Sequence[GoesByCatalogue]

    def allow(self, permission: Permission) -> Allowed:
        """Adds to the owner's file and makes every part use it at once. Raises UsageError, ConfigError."""
        decision = decide(
            permission,
            self.guard.catalogue,
            self.guard.unknown,
            today=datetime.now(UTC).date(),
            names_somebody=names_somebody,
        )

        def renew() -> Catalogue:
            add(self.data_dir / OWNER_FILE, decision.new)
            return load(catalogue_files(self.config, self.data_dir))

        if decision.new:
            self.pipeline.recatalogue(renew)
            for other in self.others:
                other.recatalogue(self.guard.catalogue)
            _log.info("%d metrics more are collected from here on", len(decision.new))
        return decision.answer()
