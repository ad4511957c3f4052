"""The built-in catalogue holds what it promises: the design's tables, the conventions, and no identities."""

import ast
import importlib
import inspect
import itertools
import re
from collections.abc import Iterator

import msgspec
import pytest

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.catalogue.load import load
from blackhole.catalogue.overlap import overlaps

NAMES = load()
ENTRIES = list(NAMES)


def found(name: str) -> Definition:
    definition = NAMES.match(name)
    assert definition is not None, name
    return definition


# name, type, unit, level, aggregation, noise: the three tables of the design document
TABLES = (
    ("process.cpu.usage", "gauge", "percent", "public", None, "medium"),
    ("process.memory.usage", "gauge", "bytes", "public", None, "medium"),
    ("grpc.request.duration", "histogram", "milliseconds", "public", None, "medium"),
    ("p2p.peer.connections", "updowncounter", "connections", "sensitive", "by_type", "medium"),
    ("p2p.bandwidth.usage", "counter", "bytes", "sensitive", None, "medium"),
    ("p2p.discovery.latency", "histogram", "milliseconds", "internal", None, "medium"),
    ("content.operations", "counter", "operations", "highly_sensitive", "by_content_type", "high"),
    ("identity.operations", "counter", "operations", "highly_sensitive", "by_operation_type", "high"),
)


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row[0])
def test_the_tables_of_the_design_are_there(row: tuple[str, ...]) -> None:
    d = found(row[0])
    assert (d.name, d.type.value, d.unit, d.privacy, d.aggregation, d.noise) == row


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("p2p.connections.total", "internal"),
        ("identity.requests.total", "internal"),
        ("node.errors.total", "internal"),
        ("social.request.duration", "internal"),
        ("p2p.peer.connection", "sensitive"),
        ("content.size", "sensitive"),
        ("service.health.status", "internal"),
        ("p2p.network.latency", "internal"),
        ("p2p.connection.stability", "internal"),
        ("p2p.peer.distribution", "sensitive"),
        ("user.interactions", "highly_sensitive"),
        ("network.health.score", "internal"),
        ("traces.span.metrics.calls", "internal"),
        ("traces.span.metrics.duration", "internal"),
        ("log.record.count", "internal"),
    ],
)
def test_other_metrics_of_the_design_are_there(name: str, level: str) -> None:
    assert found(name).privacy == level


def test_the_views_of_the_design_are_kept() -> None:
    assert found("p2p.peer.connection").aggregation == "by_region"
    assert found("content.size").buckets == (1024, 10240, 102400, 1048576)


CONVENTIONS = ("process", "system", "http", "rpc", "db", "messaging", "cpython", "otel", "container", "dns")


def conventions() -> Iterator[tuple[str, str, str]]:
    """(name, instrument or nothing, unit) as the conventions' package has them."""
    for area in CONVENTIONS:
        module = importlib.import_module(f"opentelemetry.semconv._incubating.metrics.{area}_metrics")
        described = _descriptions(inspect.getsource(module))
        for constant, value in vars(module).items():
            if constant.isupper() and isinstance(value, str):
                text = described.get(constant, "")
                instrument = re.search(r"^Instrument: (\w+)", text, re.MULTILINE)
                unit = re.search(r"^Unit: (.*)", text, re.MULTILINE)
                yield value, instrument[1] if instrument else "", unit[1].strip() if unit else ""


def _descriptions(source: str) -> dict[str, str]:
    body = ast.parse(source).body
    return {
        node.target.id: text.value.value
        for node, text in itertools.pairwise(body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


# The design document calls it a gauge in bytes; the conventions an updowncounter.
OURS = {"process.memory.usage"}


def test_the_conventions_are_complete() -> None:
    names = [name for name, _, _ in conventions()]
    assert len(names) > 120
    assert [name for name in names if NAMES.match(name) is None] == []


def test_types_and_units_are_those_of_the_conventions() -> None:
    differing = [
        name
        for name, instrument, unit in conventions()
        if instrument
        and name not in OURS
        and (found(name).type.value, found(name).unit) != (instrument, unit)
    ]
    assert differing == []


# Attributes that name a person, a peer, a machine, a place on it, or hold free text.
IDENTIFYING = re.compile(
    r"(^|[._])(address|addr|ip|port|host|hostname|path|full|url|uri|query|target|user|enduser|session|peer_id|"
    r"id|cid|did|email|command|command_line|owner|pid|instance|mountpoint|device|interface|destination|message|"
    r"statement|text|namespace|exception_message|stacktrace|agent)([._]|$)"
)
HARMLESS = {"url.scheme", "ip_version", "message_type"}


def kept(definition: Definition) -> set[str]:
    return set(definition.keep or ()) | set(definition.values)


def test_nothing_kept_identifies() -> None:
    identifying = {d.name: {key for key in kept(d) - HARMLESS if IDENTIFYING.search(key)} for d in ENTRIES}
    assert {name: keys for name, keys in identifying.items() if keys} == {}


def test_every_entry_says_what_it_is_for_and_what_survives() -> None:
    silent = [d.name for d in ENTRIES if len(d.purpose) < 16 or len(d.description) < 6]
    assert silent == []
    assert [d.name for d in ENTRIES if d.keep is None and d.aggregation is None] == []


GUARDED = [d for d in ENTRIES if d.level.guarded]


@pytest.mark.parametrize("definition", GUARDED, ids=lambda d: d.name)
def test_guarded_entries_bound_a_named_unit_and_expire(definition: Definition) -> None:
    unit = definition.privacy_unit
    assert isinstance(unit, PrivacyUnit)
    expected = {
        "peer": ("peer.id", "network.peer.id", "libp2p.peer.id"),
        "user": ("user.id", "enduser.id"),
    }
    assert unit.keys == expected[unit.name]
    assert definition.review_after is not None
    assert definition.share == "never"


def test_nothing_open_counts_what_is_guarded_without_saying_why() -> None:
    assert list(overlaps(ENTRIES)) == []


def test_without_their_reasons_the_counts_of_calls_would_be_at_fault() -> None:
    silent = [msgspec.structs.replace(entry, same_events_ok=None) for entry in ENTRIES]
    reasons = {entry.name for entry in ENTRIES if entry.same_events_ok is not None}
    assert {overlap.name for overlap in overlaps(silent)} == reasons
