"""What the tests of real clients share: a service that takes their metrics, and counts of what it stored."""

from pathlib import Path

from tests.e2e.service import Service, stored

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "clients"
KINDS = {
    "clients.requests": ("counter", "{request}"),
    "clients.open": ("updowncounter", "{connection}"),
    "clients.heat": ("gauge", "Cel"),
    "clients.latency": ("histogram", "s"),
}
CATALOGUE = """\
  - {{name: {name}, description: Sent by a real client, type: {type}, unit: '{unit}', privacy: public,
     purpose: To be counted, keep: [client, path]}}
"""


def service(directory: Path) -> Service:
    """A service whose catalogue has `clients.*`, as public metrics."""
    catalogue = directory / "catalogue.yaml"
    entries = (CATALOGUE.format(name=name, type=kind, unit=unit) for name, (kind, unit) in KINDS.items())
    catalogue.write_text("metrics:\n" + "".join(entries))
    config = directory / "analytics.yaml"
    config.write_text(f"analytics: {{max_cpu_usage: 1000, catalogue: ['{catalogue}']}}")
    return Service(directory / "data", ("--config", str(config)))


def needed(path: Path) -> None:
    """Fails, with the remedy, where a client was not installed."""
    assert path.exists(), (
        f"{path.relative_to(ROOT)} is missing: run `python3 -m tools.prepare --clients` (make test does)"
    )


def count(data: Path) -> int:
    """Rows of `clients.*`, of numbers and of histograms."""
    of = "JOIN series s ON s.id = p.series WHERE s.metric LIKE 'clients.%'"
    [(found,)] = stored(
        data, f"SELECT (SELECT count(*) FROM points p {of}) + (SELECT count(*) FROM histogram_points p {of})"
    )
    return int(found)


def total(data: Path, metric: str) -> float:
    [(found,)] = stored(data, f"SELECT sum(value) FROM metrics WHERE metric_name = '{metric}'")
    return float(found or 0)


def observed(data: Path, metric: str) -> tuple[float, float]:
    """Count and sum of all that a histogram observed."""
    where = f"JOIN series s ON s.id = h.series WHERE s.metric = '{metric}'"
    [(number, amount)] = stored(data, f"SELECT sum(h.count), sum(h.sum) FROM histogram_points h {where}")
    return float(number or 0), float(amount or 0)
