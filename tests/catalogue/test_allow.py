"""A name that is allowed becomes an entry of the owner's file; what would give too much away does not."""

import stat
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from blackhole.catalogue.allow import Decision, ObservedMetric, Permission, add, decide
from blackhole.catalogue.load import load
from blackhole.catalogue.parse import parse_file
from blackhole.errors import CatalogueError, PrivacyError
from blackhole.model.series import MetricType
from blackhole.privacy.scrub import names_somebody

TODAY = date(2026, 11, 30)
PEER = "12D3KooWGRUVhXFBHEGgiPDYGmVeyuZL1tQwWjKBGLFiDYwHLQfM"
CAME = {
    "shop.sales": ObservedMetric(MetricType.COUNTER, "{sale}"),
    "shop.time": ObservedMetric(MetricType.HISTOGRAM, "ms"),
}
CATALOGUE = load()


def decided(*names: str, sent: Mapping[str, ObservedMetric] = CAME, **more: Any) -> Decision:
    return decide(Permission(names, **more), CATALOGUE, sent, today=TODAY, names_somebody=names_somebody)


def test_type_and_unit_are_those_that_were_sent() -> None:
    sales, times = decided("shop.sales", "shop.time").new
    assert (sales.type, sales.unit, sales.privacy, sales.keep) == ("counter", "{sale}", "internal", ())
    assert (times.type, times.unit) == ("histogram", "ms")


def test_the_entry_says_when_it_was_allowed_and_when_to_ask_again() -> None:
    (entry,) = decided("shop.sales").new
    assert "2026-11-30" in entry.purpose
    assert entry.review_after == date(2027, 2, 28)


def test_what_is_given_counts() -> None:
    (entry,) = decided(
        "shop.sales", privacy="public", purpose="What sells", type="gauge", unit="1", keep=("kind",)
    ).new
    assert (entry.privacy, entry.purpose, entry.type, entry.unit, entry.keep) == (
        "public",
        "What sells",
        "gauge",
        "1",
        ("kind",),
    )


def test_what_is_open_already_needs_no_entry() -> None:
    decision = decided("process.cpu.usage", "shop.requests.total", "shop.sales", "shop.sales")
    assert decision.already == ["process.cpu.usage", "shop.requests.total"]
    assert [entry.name for entry in decision.new] == ["shop.sales"]


def test_a_metric_that_was_refused_for_its_type_gets_the_type_that_was_sent_or_given() -> None:
    sent = {"process.cpu.usage": ObservedMetric(MetricType.HISTOGRAM, "percent")}
    for decision in (
        decided("process.cpu.usage", sent=sent),
        decided("process.cpu.usage", sent={}, type="histogram"),
    ):
        (entry,) = decision.new
        before = CATALOGUE.match("process.cpu.usage")
        assert before is not None
        assert (entry.type, entry.unit, entry.privacy) == ("histogram", before.unit, before.privacy)
        assert (entry.purpose, entry.kept_keys) == (before.purpose, before.kept_keys)
        assert decision.already == []
        assert decision.answer().allowed[0].instead_of == before.type


def test_one_name_of_a_pattern_gets_an_entry_of_its_own_when_it_was_refused() -> None:
    sent = {"shop.requests.total": ObservedMetric(MetricType.GAUGE, "1")}
    (entry,) = decided("shop.requests.total", sent=sent).new
    assert (entry.name, entry.type) == ("shop.requests.total", "gauge")


@pytest.mark.parametrize("given", [{"type": "gauge"}, {"unit": "percent"}, {"privacy": "public"}])
def test_what_is_given_and_holds_already_changes_nothing(given: dict[str, Any]) -> None:
    decision = decided("process.cpu.usage", **given)
    assert (decision.new, decision.already) == ([], ["process.cpu.usage"])


def test_a_type_is_not_changed_by_name_where_the_metric_is_guarded() -> None:
    with pytest.raises(PrivacyError):
        decided("content.operations", type="gauge")


@pytest.mark.parametrize("first", ["{name: x.y, description: d", "{description: d, name: x.y"])
def test_an_entry_of_the_owner_gives_place_to_its_namesake_and_nothing_else(
    first: str, tmp_path: Path
) -> None:
    file = tmp_path / "catalogue.yaml"
    rest = "type: gauge, unit: s, privacy: public, purpose: mine}"
    text = f"metrics:\n  # of mine\n  - {first}, {rest}\n  # the next\n  - {LINE}\n"
    file.write_text(text, encoding="utf-8")
    (entry,) = decided("x.y", sent={}, type="counter").new
    add(file, [entry])
    assert [(one.name, one.type) for one in parse_file(file)] == [("a.b", "gauge"), ("x.y", "counter")]
    assert "# the next" in file.read_text(encoding="utf-8")
    add(file, decided("a.b", sent={}, type="histogram").new)
    assert [(one.name, one.type) for one in parse_file(file)] == [("x.y", "counter"), ("a.b", "histogram")]


PRIVATE: dict[str, dict[str, Any]] = {
    "a sensitive level": {"names": ["shop.sales"], "privacy": "sensitive"},
    "a highly sensitive level": {"names": ["shop.sales"], "privacy": "highly_sensitive"},
    "a metric that is guarded": {"names": ["content.operations"]},
    "a count of guarded events": {"names": ["content.uploads"], "type": "counter"},
    "operations told apart": {"names": ["shop.sales"], "keep": ["method"]},
    "the id of a user": {"names": ["shop.sales"], "keep": ["user.id"]},
    "an identity in a name": {"names": ["shop.sales", f"shop.{PEER}"]},
    "an identity in a key": {"names": ["shop.sales"], "keep": [PEER]},
    "an identity in the purpose": {"names": ["shop.sales"], "purpose": "What ada@example.org buys"},
    "an identity in the unit": {"names": ["shop.sales"], "unit": PEER},
}


@pytest.mark.parametrize("case", PRIVATE)
def test_what_would_give_too_much_away_is_refused_by_a_rule_of_privacy(case: str) -> None:
    with pytest.raises(PrivacyError) as caught:
        decided(*PRIVATE[case].pop("names"), **PRIVATE[case])
    assert PEER not in str(caught.value)
    assert "example.org" not in str(caught.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no names": ({"names": []}, "0 names were given"),
    "too many names": ({"names": [f"a.b{i}" for i in range(101)]}, "101 names were given"),
    "a pattern": ({"names": ["shop.*"]}, "only single metrics"),
    "an unknown level": ({"names": ["shop.sales"], "privacy": "secret"}, "write public or internal"),
    "an unknown type": ({"names": ["shop.sales"], "type": "timer"}, "counter, updowncounter"),
    "a summary": ({"names": ["shop.sales"], "type": "summary"}, "summaries cannot be added up"),
    "a metric that never came": ({"names": ["shop.never"]}, "give type and unit"),
    "a name that is none": ({"names": ["shop sales"], "type": "gauge"}, "not a metric name"),
    "a purpose that says nothing": ({"names": ["shop.sales"], "purpose": "tbd"}, "says nothing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_remedy(case: str) -> None:
    permission, expected = WRONG[case]
    with pytest.raises(CatalogueError) as caught:
        decided(*permission.pop("names"), **permission)
    assert expected in str(caught.value)


def test_a_type_that_is_given_needs_nothing_that_came() -> None:
    (entry,) = decided("shop.never", type="gauge", sent={}).new
    assert (entry.type, entry.unit) == ("gauge", "1")


def test_the_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "data" / "catalogue.yaml"
    new = decided("shop.sales", "shop.time", keep=("kind",)).new
    add(file, new)
    assert parse_file(file) == list(new)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["catalogue.yaml"]


LINE = "{name: a.b, description: d, type: gauge, unit: s, privacy: public, purpose: mine}"
OWN = {
    "as this command writes it": f"metrics:\n- {LINE}\n",
    "indented and with comments": (
        "# mine\nmetrics:\n  # the first\n  - name: a.b\n    description: d\n    type: gauge\n    unit: s\n"
        "    privacy: public\n    purpose: mine"
    ),
    "in the flow style": f"metrics: [{LINE}]\n",
    "empty": "metrics: []\n",
}


@pytest.mark.parametrize("case", OWN)
def test_what_the_owner_wrote_stays(case: str, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(OWN[case], encoding="utf-8")
    before = parse_file(file)
    add(file, decided("shop.sales").new)
    add(file, decided("shop.time").new)
    assert [entry.name for entry in parse_file(file)] == [
        *(e.name for e in before),
        "shop.sales",
        "shop.time",
    ]
    assert parse_file(file)[: len(before)] == before
    if "#" in OWN[case]:
        assert file.read_text(encoding="utf-8").startswith(OWN[case])


def test_a_file_that_is_broken_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text("metrics: [", encoding="utf-8")
    with pytest.raises(CatalogueError, match="mend the YAML"):
        add(file, decided("shop.sales").new)
    assert file.read_text(encoding="utf-8") == "metrics: ["


def test_a_directory_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, no directory")
    with pytest.raises(CatalogueError, match="cannot be written"):
        add(tmp_path / "data" / "catalogue.yaml", decided("shop.sales").new)
