"""The catalogue answers for names: exact before prefix before suffix, the user's before the built-in."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.catalogue.load import BUILTIN, Catalogue, load
from blackhole.errors import CatalogueError
from blackhole.model.series import MetricType, PrivacyLevel


def entry(name: str, purpose: str = "a question") -> Definition:
    return Definition(
        name=name, description="d", type=MetricType.GAUGE, unit="1", privacy="internal", purpose=purpose
    )


def catalogue(*names: str) -> Catalogue:
    return Catalogue([(entry(name), "test.yaml") for name in names])


def matched(names: Catalogue, metric: str) -> str | None:
    found = names.match(metric)
    return None if found is None else found.name


def test_exact_beats_longest_prefix_beats_suffix() -> None:
    names = catalogue("a.b.requests.total", "a.*", "a.b.*", "*.requests.total", "*.b.requests.total")
    assert matched(names, "a.b.requests.total") == "a.b.requests.total"
    assert matched(names, "a.b.requests.more") == "a.b.*"
    assert matched(names, "a.requests.total") == "a.*"
    assert matched(names, "z.requests.total") == "*.requests.total"
    assert matched(names, "z.b.requests.total") == "*.b.requests.total"


def test_a_suffix_pattern_stands_for_one_word() -> None:
    names = catalogue("*.requests.total")
    assert matched(names, "identity.requests.total") == "*.requests.total"
    assert matched(names, "blackhole-node_2.requests.total") == "*.requests.total"
    for other in ("requests.total", ".requests.total", "a.b.requests.total", "identity.requests.totals"):
        assert matched(names, other) is None


IDENTITIES = (
    "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf",
    "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
    "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    "alice@example.org",
    "203.0.113.7",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "d41d8cd98f00b204e9800998ecf8427e",
)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_no_identity_gets_in_through_a_name(identity: str) -> None:
    names = catalogue("*.requests.total", "p2p.custom.*")
    assert names.match(f"{identity}.requests.total") is None
    assert names.match(f"p2p.custom.{identity}") is None
    assert names.match(f"p2p.custom.peer.{identity}.bytes") is None


@given(st.text(min_size=33))
def test_a_pattern_never_stands_for_more_than_32_characters_a_word(word: str) -> None:
    names = catalogue("*.requests.total", "p2p.custom.*")
    if "." not in word:
        assert names.match(f"{word}.requests.total") is None
        assert names.match(f"p2p.custom.{word}") is None


def test_the_last_entry_of_a_name_counts() -> None:
    names = Catalogue([(entry("a", "first"), "one.yaml"), (entry("a", "second"), "two.yaml")])
    found = names.match("a")
    assert found is not None
    assert found.purpose == "second"
    assert names.source("a") == "two.yaml"
    assert len(names) == 1


def write(path: Path, *names: str) -> Path:
    entries = "".join(
        f"  - {{name: {n}, description: d, type: gauge, unit: '1', privacy: public, purpose: {path.stem}}}\n"
        for n in names
    )
    path.write_text(f"metrics:\n{entries}", encoding="utf-8")
    return path


def test_the_users_files_beat_the_built_in_and_later_beat_earlier(tmp_path: Path) -> None:
    first = write(tmp_path / "first.yaml", "process.cpu.time", "my.metric")
    second = write(tmp_path / "second.yaml", "my.metric")
    names = load([first, second])
    assert len(names) == len(load()) + 1
    cpu, mine = names.match("process.cpu.time"), names.match("my.metric")
    assert cpu is not None
    assert mine is not None
    assert (cpu.purpose, mine.purpose) == ("first", "second")
    assert names.source("my.metric") == str(second)


def test_a_missing_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"none\.yaml: cannot be read .*: name an existing file"):
        load([tmp_path / "none.yaml"])


def test_near_names_help_with_a_typing_error() -> None:
    assert load().near("p2p.discovery.latncy")[0] == "p2p.discovery.latency"
    assert load().near("zzzzzzzzzz") == []


def test_iteration_gives_every_entry_once() -> None:
    names = load()
    seen = [definition.name for definition in names]
    assert len(seen) == len(set(seen)) == len(names)
    assert names.get("*.requests.total") is not None
    assert names.get("identity.requests.total") is None


def test_what_a_file_says_arrives_in_the_definition(tmp_path: Path) -> None:
    file = tmp_path / "full.yaml"
    file.write_text(
        """
metrics:
  - name: content.operations
    category: business
    description: Content operations by type
    type: counter
    unit: "{operation}"
    privacy: highly_sensitive
    purpose: Which kinds of operation grow, so that storage can be planned
    review_after: 2027-06-01
    keep: [type]
    values: {type: [upload, download, delete, share]}
    aggregation: by_content_type
    privacy_unit: {name: user, keys: [user.id, enduser.id]}
    max_groups_per_unit: 2
    max_windows_per_unit: 6
    bounds: [0, 1]
    noise: high
    release: windows
    share: never
""",
        encoding="utf-8",
    )
    found = load([file]).match("content.operations")
    assert found == Definition(
        name="content.operations",
        category="business",
        description="Content operations by type",
        type=MetricType.COUNTER,
        unit="{operation}",
        privacy="highly_sensitive",
        purpose="Which kinds of operation grow, so that storage can be planned",
        review_after=date(2027, 6, 1),
        keep=("type",),
        values={"type": ("upload", "download", "delete", "share")},
        aggregation="by_content_type",
        privacy_unit=PrivacyUnit("user", ("user.id", "enduser.id")),
        max_groups_per_unit=2,
        max_windows_per_unit=6,
        bounds=(0, 1),
        noise="high",
        release="windows",
        share="never",
    )
    assert found.level is PrivacyLevel.HIGHLY_SENSITIVE


def test_the_built_in_files_are_where_load_looks() -> None:
    assert sorted(p.name for p in BUILTIN.glob("*.yaml")) == sorted({load().source(d.name) for d in load()})
