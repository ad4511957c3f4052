"""A decision that names what is not there, lacks a heading, or stands in no index fails here."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
HEADINGS = ["Status", "Question", "Decision", "Numbers", "What follows", "Code and test"]
CODE = ("*.py", "*.pyi", "*.rs", "*.sql", "*.ts", "*.tsx")
ROOMS = ("src", "rust/src", "web/src")
MOST_WORDS = 40
MOST_LINES = 150
LONGEST_LINE = 110
_PLACE = re.compile(r"[\w.-]+/(?:[\w.-]+/?)*|\w+\.(?:py|pyi|rs|ts|toml)")
_PATH = re.compile(r"(?:src|rust|web|tests|docs|tools|packaging)/[\w./-]+")


def sections(decision: Path) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", decision.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def words_of_the_code() -> frozenset[str]:
    files = (
        path
        for room in ROOMS
        for kind in CODE
        for path in (ROOT / room).rglob(kind)
        if "target" not in path.parts
    )
    return frozenset(word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8")))


def is_there(name: str) -> bool:
    """Whether a path exists, or each word of a name of code stands somewhere in the code."""
    if _PATH.fullmatch(name):
        return (ROOT / name).exists()
    return set(re.findall(r"\w+", name)) <= words_of_the_code()


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_answers_six_questions_in_order(decision: Path) -> None:
    found = sections(decision)
    assert list(found) == HEADINGS
    assert all(text.strip() for text in found.values())


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_code_and_tests_that_a_decision_names_exist(decision: Path) -> None:
    lines = sections(decision)["Code and test"].strip().splitlines()
    wrong = []
    for line in lines:
        place, *names = re.findall(r"`([^`]+)`", line)
        if not (ROOT / place).exists():
            wrong.append(place)
        elif names:
            text = (ROOT / place).read_text(encoding="utf-8")
            wrong += [f"{place}: {name}" for name in names if not re.search(rf"\b{name}\b", text)]
    assert wrong == []
    assert any("`tests/" in line or ".test.ts" in line for line in lines)


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_names_in_the_text_of_a_decision_are_of_the_code(decision: Path) -> None:
    text = "".join(text for heading, text in sections(decision).items() if heading != "Code and test")
    named = set(re.findall(r"`([^`\n]+)`", text))
    assert [name for name in sorted(named) if not is_there(name)] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_written_in_short_sentences(decision: Path) -> None:
    prose = [text for heading, text in sections(decision).items() if heading != "Code and test"]
    sentences = [one for text in prose for one in re.split(r"(?<=[.?!])\s+", " ".join(text.split()))]
    assert [one for one in sentences if len(one.split()) > MOST_WORDS] == []


def test_the_index_lists_each_decision_once() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^- (\d{3}) \[(.+)\]\((.+)\)$", index, re.MULTILINE)
    titles = {path.name: path.read_text(encoding="utf-8").splitlines()[0] for path in DECISIONS}
    assert {name: f"# {title}" for _, title, name in told} == titles
    assert [int(number) for number, *_ in told] == list(range(1, len(DECISIONS) + 1))
    assert all(name.startswith(number) for number, _, name in told)


def test_the_architecture_names_every_decision_by_topic() -> None:
    architecture = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    topics = {
        topic: tuple(re.findall(r"^- (\d{3})", text, re.MULTILINE))
        for topic, text in re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", index, re.MULTILINE)
    }
    told = re.findall(r"^\| (\d{3})-(\d{3}) \| ([^|:]+?)(?::[^|]*)? \|$", architecture, re.MULTILINE)
    assert [(topic, first, last) for first, last, topic in told] == [
        (topic, numbers[0], numbers[-1]) for topic, numbers in topics.items()
    ]


def test_the_floors_of_the_architecture_are_those_of_the_linter() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    floors = [sorted(layer.split(" | ")) for layer in reversed(layers["layers"])]
    architecture = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    told: dict[int, list[str]] = {}
    for floor, rooms in re.findall(r"^\| (\d+) \| (`[^|]+) \|", architecture, re.MULTILINE):
        told.setdefault(int(floor), []).extend(re.findall(r"`(\w+)(?:/|\.py)`", rooms))
    assert [sorted(told[floor]) for floor in sorted(told)] == floors


def test_paths_in_the_architecture_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = {*re.findall(r"`([^`\n]+)`", text), *re.findall(r"[\w/]+\.(?:py|rs)\b", text)}
    blackhole = ROOT / "src" / "blackhole"
    bases = (ROOT, blackhole, blackhole / "store", ROOT / "rust" / "src", ROOT / "web" / "src")
    paths = {name for name in named if _PLACE.fullmatch(name)}
    assert len(paths) > MOST_WORDS
    assert [path for path in sorted(paths) if not any((base / path).exists() for base in bases)] == []


def test_names_in_the_architecture_are_of_the_code() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([^`\n]+)`", text) if not _PLACE.fullmatch(name)}
    assert named
    foreign = {"make lint"}
    assert [name for name in sorted(named - foreign) if not is_there(name)] == []


def test_the_architecture_is_two_pages() -> None:
    lines = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > LONGEST_LINE] == []
