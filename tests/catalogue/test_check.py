"""`catalogue check` judges a file beside the others, and only for what it brings."""

from datetime import date
from pathlib import Path

import pytest

from blackhole.catalogue.check import check_file
from blackhole.errors import CatalogueError

TODAY = date(2026, 5, 1)
ENTRY = (
    "  - {{name: {name}, description: d, type: counter, unit: '1', privacy: {level}, "
    "purpose: to test it{more}}}\n"
)
UNIT = ", privacy_unit: {name: user, keys: [user.id]}, bounds: [0, 1]"


def write(path: Path, *entries: tuple[str, str, str]) -> Path:
    lines = (ENTRY.format(name=name, level=level, more=more) for name, level, more in entries)
    path.write_text("metrics:\n" + "".join(lines), encoding="utf-8")
    return path


def test_an_open_count_of_guarded_events_is_one_line_with_place_and_remedy(tmp_path: Path) -> None:
    file = write(tmp_path / "my.yaml", ("content.uploads", "internal", ""), ("identity.calls", "public", ""))
    with pytest.raises(CatalogueError) as caught:
        check_file(file, [], TODAY)
    assert str(caught.value).startswith(f"{file}: content.uploads: `same_events_ok`: is missing: ")
    assert "say why not in `same_events_ok` (and 1 more entries)" in str(caught.value)


def test_a_reason_is_enough(tmp_path: Path) -> None:
    file = write(
        tmp_path / "my.yaml", ("content.uploads", "internal", ", same_events_ok: a test has no users")
    )
    assert [entry.name for entry in check_file(file, [], TODAY).entries] == ["content.uploads"]


def test_a_new_guarded_entry_finds_the_open_one_of_another_file(tmp_path: Path) -> None:
    other = write(tmp_path / "other.yaml", ("shop.sales", "internal", ""))
    file = write(tmp_path / "my.yaml", ("shop.orders", "highly_sensitive", UNIT))
    assert check_file(file, [], TODAY).warnings == []
    with pytest.raises(CatalogueError, match=r"my\.yaml: shop\.sales: `same_events_ok`"):
        check_file(file, [other], TODAY)


def test_faults_of_other_files_are_not_this_ones(tmp_path: Path) -> None:
    other = write(tmp_path / "other.yaml", ("content.uploads", "internal", ""))
    file = write(tmp_path / "my.yaml", ("shop.sales", "internal", ""))
    assert len(check_file(file, [other], TODAY).entries) == 1


def test_a_file_in_use_is_judged_like_a_new_one(tmp_path: Path) -> None:
    file = write(tmp_path / "my.yaml", ("content.uploads", "internal", ""))
    with pytest.raises(CatalogueError, match=r"content\.uploads"):
        check_file(file, [file], TODAY)


def test_a_day_of_review_that_is_past_is_a_warning(tmp_path: Path) -> None:
    file = write(
        tmp_path / "my.yaml",
        ("a.past", "internal", ", review_after: 2026-04-30"),
        ("a.today", "internal", ", review_after: 2026-05-01"),
    )
    (warning,) = check_file(file, [], TODAY).warnings
    assert "a.past: `review_after`: 2026-04-30 is past: " in warning
