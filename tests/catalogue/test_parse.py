"""Every fault of a catalogue file is one line: file, entry, key, remedy."""

from pathlib import Path
from typing import Any

import pytest

from blackhole.catalogue.parse import parse, parse_file
from blackhole.errors import CatalogueError

OPEN: dict[str, Any] = {
    "name": "my.metric",
    "description": "what is measured",
    "type": "counter",
    "unit": "{thing}",
    "privacy": "internal",
    "purpose": "which question it answers",
}
GUARDED = OPEN | {
    "privacy": "sensitive",
    "privacy_unit": {"name": "peer", "keys": ["peer.id"]},
    "bounds": [0, 1],
}
RELEASED = GUARDED | {"privacy": "highly_sensitive"}


_NUMBERS = [str(number) for number in range(100)]


def fault(document: object) -> str:
    with pytest.raises(CatalogueError) as caught:
        parse(document, where="my.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("my.yaml: ")
    return message


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in entry.items() if k != key}


@pytest.mark.parametrize("entry", [OPEN, GUARDED, RELEASED])
def test_a_sound_entry_passes(entry: dict[str, Any]) -> None:
    assert parse({"metrics": [entry]}, where="my.yaml")[0].name == "my.metric"


@pytest.mark.parametrize("key", sorted(OPEN))
def test_a_required_key_is_asked_for(key: str) -> None:
    message = fault({"metrics": [without(OPEN, key)]})
    assert f"`{key}` is missing: " in message
    assert ("my.metric" in message) == (key != "name")


@pytest.mark.parametrize("key", ["privacy_unit", "bounds"])
@pytest.mark.parametrize("entry", [GUARDED, RELEASED])
def test_a_guarded_entry_needs_unit_and_bounds(entry: dict[str, Any], key: str) -> None:
    assert f"my.metric: `{key}`: " in fault({"metrics": [without(entry, key)]})


FAULTS = {
    "an unknown key is answered with the nearest known": (OPEN | {"purpos": "x"}, "did you mean `purpose`?"),
    "an unknown key far from all": (OPEN | {"zzz": 1}, "unknown key `zzz`: see docs/catalogue.md"),
    "an unknown level": (OPEN | {"privacy": "secret"}, "`privacy`: "),
    "an unknown type": (OPEN | {"type": "timer"}, "counter, updowncounter, gauge, histogram"),
    "a summary": (OPEN | {"type": "summary"}, "`type`: summaries cannot be added up"),
    "an unknown category": (OPEN | {"category": "misc"}, "infrastructure, p2p, business"),
    "a wrong privacy unit": (GUARDED | {"privacy_unit": "person"}, "`privacy_unit`: "),
    "a unit without keys": (GUARDED | {"privacy_unit": {"name": "peer"}}, "names no unit"),
    "a unit whose id would be kept": (GUARDED | {"keep": ["peer.id"]}, "would store the id"),
    "bounds in the wrong order": (GUARDED | {"bounds": [1, 0]}, "two finite numbers, the lower first"),
    "infinite bounds": (GUARDED | {"bounds": [0, float("inf")]}, "two finite numbers"),
    "bounds that are not numbers": (GUARDED | {"bounds": [float("nan"), 1]}, "two finite numbers"),
    "bounds that leave nothing": (GUARDED | {"bounds": [0, 0]}, "clamp everything to nothing"),
    "one bound": (GUARDED | {"bounds": [1]}, "`bounds`: "),
    "event unit for bytes": (GUARDED | {"privacy_unit": "event", "unit": "By"}, "`event` is for counters"),
    "event unit for a gauge": (GUARDED | {"privacy_unit": "event", "type": "gauge"}, "`event` is for"),
    "event unit for levels": (GUARDED | {"privacy_unit": "event", "type": "updowncounter"}, "`event` is for"),
    "event unit for a histogram without buckets": (
        GUARDED | {"privacy_unit": "event", "type": "histogram"},
        "`event` is for",
    ),
    "a guarded histogram without buckets": (GUARDED | {"type": "histogram"}, "needs declared boundaries"),
    "unsorted buckets": (GUARDED | {"buckets": [10, 1]}, "`buckets`: must rise"),
    "repeated buckets": (GUARDED | {"buckets": [1, 1]}, "`buckets`: must rise"),
    "no buckets": (GUARDED | {"buckets": []}, "one or more finite numbers"),
    "events that weigh more than one": (
        GUARDED | {"privacy_unit": "event", "bounds": [0, 2]},
        "at most once",
    ),
    "events that weigh less than nothing": (
        GUARDED | {"privacy_unit": "event", "bounds": [-1, 1]},
        "at most once",
    ),
    "a unit without a name": (GUARDED | {"privacy_unit": {"keys": ["peer.id"]}}, "`privacy_unit`: "),
    "a unit with a blank name": (GUARDED | {"privacy_unit": {"name": " ", "keys": ["a"]}}, "names no unit"),
    "a unit with no keys": (GUARDED | {"privacy_unit": {"name": "peer", "keys": []}}, "names no unit"),
    "a unit with an empty key": (GUARDED | {"privacy_unit": {"name": "peer", "keys": ["a", ""]}}, "is empty"),
    "a unit with a blank key": (GUARDED | {"privacy_unit": {"name": "peer", "keys": [" "]}}, "is empty"),
    "a unit with a huge key": (
        GUARDED | {"privacy_unit": {"name": "peer", "keys": ["k" * 256]}},
        "over 255 characters",
    ),
    "a unit with many keys": (
        GUARDED | {"privacy_unit": {"name": "peer", "keys": [f"k{i}" for i in range(17)]}},
        "has 17 keys, at most 16",
    ),
    "a unit that the aggregation would keep": (
        GUARDED | {"privacy_unit": {"name": "place", "keys": ["region"]}, "aggregation": "by_region"},
        "take `region` out",
    ),
    "a unit that is the service": (
        GUARDED | {"privacy_unit": {"name": "service", "keys": ["service.name"]}},
        "take `service.name` out",
    ),
    "a released pattern": (RELEASED | {"name": "my.*"}, "exactly one metric"),
    "a released suffix": (RELEASED | {"name": "*.total"}, "exactly one metric"),
    "a released aggregation without values": (
        RELEASED | {"aggregation": "by_content_type", "values": {"type": ["a"]}},
        "list those of `content_type` (kept by `aggregation: by_content_type`)",
    ),
    "too many released groups": (
        RELEASED | {"keep": ["a", "b"], "values": {"a": _NUMBERS, "b": _NUMBERS}},
        "10201 groups are declared",
    ),
    "too many released buckets": (
        RELEASED
        | {"keep": ["a"], "values": {"a": _NUMBERS}, "type": "histogram", "buckets": [*range(99)]}
        | {"privacy_unit": {"name": "peer", "keys": ["peer.id"]}, "description": "d"},
        "10100 groups are declared",
    ),
    "too many released services": (
        RELEASED | {"keep": ["a"], "values": {"a": _NUMBERS, "service.name": _NUMBERS}},
        "10201 groups are declared",
    ),
    "a purpose that is blank": (OPEN | {"purpose": "  "}, "`purpose`: says nothing"),
    "a purpose for later": (OPEN | {"purpose": "TODO"}, "`purpose`: says nothing"),
    "a purpose to be decided": (OPEN | {"purpose": "tbd."}, "`purpose`: says nothing"),
    "a purpose of one letter": (OPEN | {"purpose": "x"}, "`purpose`: says nothing"),
    "a purpose of signs": (OPEN | {"purpose": "--- 123 ---"}, "`purpose`: says nothing"),
    "a reason that is blank": (OPEN | {"same_events_ok": " "}, "`same_events_ok`: says nothing"),
    "a reason that is none": (OPEN | {"same_events_ok": "yes"}, "`same_events_ok`: says nothing"),
    "a released key without values": (RELEASED | {"keep": ["type"]}, "list those of `type`"),
    "values of a key that is not kept": (OPEN | {"keep": [], "values": {"a": ["b"]}}, "not in `keep`"),
    "a key without values": (OPEN | {"keep": ["a"], "values": {"a": []}}, "needs one or more"),
    "values that YAML reads as booleans": (
        OPEN | {"keep": ["a"], "values": {"a": [True]}},
        "put the value in quotes",
    ),
    "no groups": (GUARDED | {"max_groups_per_unit": 0}, "`max_groups_per_unit`: must be at least 1"),
    "no windows": (GUARDED | {"max_windows_per_unit": 0}, "`max_windows_per_unit`: must be at least 1"),
    "a running total of a gauge": (
        RELEASED | {"release": "running_total", "type": "gauge"},
        "`running_total` is for counters",
    ),
    "a running total of a unit in many windows": (
        RELEASED | {"release": "running_total"},
        "`running_total` needs",
    ),
    "a name with a space": (OPEN | {"name": "my metric"}, "`name`: not a metric name"),
    "a name for everything": (OPEN | {"name": "*"}, "`name`: not a metric name"),
    "two stars": (OPEN | {"name": "*.a.*"}, "`name`: not a metric name"),
    "a star in the middle": (OPEN | {"name": "a.*.b"}, "`name`: not a metric name"),
    "a star within a word": (OPEN | {"name": "a*"}, "`name`: not a metric name"),
    "a name that is too long": (OPEN | {"name": "a" * 256}, "`name`: not a metric name"),
    "a name that is a number": (OPEN | {"name": 7}, "entry 1: `name`: "),
    "an entry that is a word": ("word", "entry 1: an entry is a set of keys"),
}


@pytest.mark.parametrize("case", sorted(FAULTS))
def test_a_fault_is_named_with_its_remedy(case: str) -> None:
    entry, expected = FAULTS[case]
    assert expected in fault({"metrics": [entry]})


@pytest.mark.parametrize("name", ["a", "a.b", "a_b-c/d", "p2p.custom.*", "*.requests.total", "A" * 255])
def test_sound_names_pass(name: str) -> None:
    assert parse({"metrics": [OPEN | {"name": name}]}, where="my.yaml")[0].name == name


@pytest.mark.parametrize(
    "entry",
    [
        RELEASED | {"privacy_unit": "event"},
        RELEASED | {"privacy_unit": "event", "type": "histogram", "unit": "ms", "buckets": [1, 2]},
        RELEASED | {"privacy_unit": "event", "release": "running_total"},
        RELEASED | {"max_windows_per_unit": 1, "release": "running_total"},
    ],
)
def test_events_may_be_counted(entry: dict[str, Any]) -> None:
    assert parse({"metrics": [entry]}, where="my.yaml")[0].type in {"counter", "histogram"}


@pytest.mark.parametrize(
    "entry",
    [
        # keep replaces the keys of the aggregation
        RELEASED | {"aggregation": "by_content_type", "keep": ["type"], "values": {"type": ["a"]}},
        RELEASED | {"aggregation": "by_time_window"},
        # 100 values with `other` among them, times 100 buckets: exactly as many as may be
        RELEASED
        | {"keep": ["a"], "values": {"a": [*_NUMBERS[1:], "other"]}, "type": "histogram"}
        | {"buckets": [*range(99)]},
        RELEASED | {"keep": ["a"], "values": {"a": ["b"], "service.name": ["node"]}},
        OPEN | {"purpose": "Wie viele Jobs warten"},
        GUARDED | {"privacy_unit": {"name": "peer", "keys": ["k" * 255]}},
        GUARDED | {"privacy_unit": "event", "bounds": [0, 1]},
    ],
)
def test_what_is_declared_and_small_enough_passes(entry: dict[str, Any]) -> None:
    assert parse({"metrics": [entry]}, where="my.yaml")[0].purpose == entry["purpose"]


def test_a_name_stands_once_in_a_file() -> None:
    assert "my.metric: `name`: the file has it twice" in fault({"metrics": [OPEN, OPEN]})


@pytest.mark.parametrize("document", [None, [], {"metric": []}, {"metrics": [], "more": 1}, "text"])
def test_a_file_has_one_top_key(document: object) -> None:
    assert "one top key, `metrics:`" in fault(document)


@pytest.mark.parametrize("entries", [None, {}, "text"])
def test_entries_are_a_list(entries: object) -> None:
    assert "holds a list of entries" in fault({"metrics": entries})


def test_yaml_errors_name_the_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("metrics:\n  - name: [\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"broken\.yaml, line 3: .*: mend the YAML"):
        parse_file(file)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="not UTF-8 text"):
        parse_file(file)
