"""What was found in the data, for people."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Insight:
    """What was found; the same `kind` and `title` are the same. `severity`: info, warning or critical."""

    kind: str
    title: str
    description: str
    severity: str
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredInsight:
    """A row of the `insights` table; times are RFC 3339 UTC."""

    id: int
    insight_type: str
    title: str
    description: str
    severity: str
    metrics: tuple[str, ...]
    generated_at: str
    expires_at: str
