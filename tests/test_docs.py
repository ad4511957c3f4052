"""A setting, command, flag, endpoint, message or catalogue key that the docs do not name fails here."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from blackhole import config
from blackhole.catalogue.definition import Definition
from blackhole.catalogue.load import BUILTIN, load
from blackhole.cli import cli
from blackhole.errors import BlackholeError
from blackhole.query.conventions import CPU, MEMORY, SOURCES
from blackhole.serve import routes
from blackhole.serve.api import Api
from blackhole.serve.page import Page
from blackhole.serve.prometheus import Prometheus

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MOST_WORDS_A_CELL = 40
LARGEST_PICTURE = 150_000
PICTURE_WIDTH = 1200


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def settings(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from settings(field.type, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def documented() -> dict[str, str]:
    """key: default, as the tables of docs/configuration.md have them."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \| .+ \|$", text("docs/configuration.md"), re.MULTILINE)
    return dict(rows)


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert sorted(documented()) == sorted(settings(config.Config))


@pytest.mark.parametrize("key", list(settings(config.Config)))
def test_documented_defaults_are_the_real_ones(key: str) -> None:
    nested: dict[str, object] = {}
    *outer, last = key.split(".")
    place = nested
    for part in outer:
        place = place.setdefault(part, {})  # type: ignore[assignment]
    place[last] = _value(documented()[key])
    assert config.check(nested, where="docs") == config.Config()


def test_settings_without_effect_are_marked() -> None:
    later = re.findall(r"^\| `([a-z_.]+)` \| .* \*later\* \|$", text("docs/configuration.md"), re.MULTILINE)
    assert sorted(later) == sorted(config.WITHOUT_EFFECT)


def _value(written: str) -> object:
    import yaml  # noqa: PLC0415

    return yaml.safe_load(written)


def commands(command: click.Command, path: str = "blackhole") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}")
    else:
        yield path, command


ALWAYS = {"--config", "--data-dir", "--json", "--url", "--help", "-h"}


@pytest.mark.parametrize(("path", "command"), list(commands(cli)), ids=str)
def test_every_command_and_flag_is_documented(path: str, command: click.Command) -> None:
    rows = [line for line in text("docs/cli.md").splitlines() if line.startswith(f"| `{path}")]
    assert len(rows) == 1, path
    flags = {
        flag
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }
    assert [flag for flag in sorted(flags - ALWAYS) if flag not in rows[0]] == []


def test_no_command_is_documented_that_does_not_exist() -> None:
    known = {path for path, _ in commands(cli)}
    told = re.findall(r"^\| `(blackhole [a-z]+(?: [a-z]+)?)", text("docs/cli.md"), re.MULTILINE)
    assert set(told) == known


def test_exit_codes_are_documented() -> None:
    codes = {BlackholeError.exit_code, *(kind.exit_code for kind in _descendants(BlackholeError))}
    line = next(line for line in text("docs/cli.md").splitlines() if line.startswith("Exit codes:"))
    assert {int(code) for code in re.findall(r"\d", line)} == codes | {0}


def _descendants(kind: type[BlackholeError]) -> Iterator[type[BlackholeError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def test_every_endpoint_is_documented_and_nothing_else() -> None:
    table = routes.endpoints(Api.__new__(Api), Prometheus.__new__(Prometheus), Page.__new__(Page))
    known = {f"{endpoint.method} {endpoint.path}" for endpoint in table}
    known |= {f"GET {routes.DESCRIPTION}", f"WS {routes.STREAM}"}
    told = set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE|WS) [^`]+)` \|", text("docs/api.md"), re.MULTILINE))
    assert told == known


@pytest.mark.parametrize(
    "message",
    ["hello", "beat", "service_health", "p2p_metrics", "performance", "governor", "privacy", "insight"],
)
def test_messages_of_the_stream_are_documented(message: str) -> None:
    assert f"| `{message}` |" in text("docs/api.md")


def test_every_key_of_an_entry_is_documented_and_nothing_else() -> None:
    table = text("docs/catalogue.md").split("## Keys of an entry")[1].split("##")[0]
    told = re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)
    assert sorted(told) == sorted(field.name for field in msgspec.structs.fields(Definition))


def test_the_catalogues_files_and_size_are_documented() -> None:
    document = text("docs/catalogue.md")
    assert f"has {len(load())} entries" in document
    patterns = re.findall(r"`([a-z0-9*_]+\.yaml)`", document)
    unnamed = [f.name for f in BUILTIN.glob("*.yaml") if not any(Path(f.name).match(p) for p in patterns)]
    assert unnamed == []


def test_the_order_in_which_sources_of_requests_count_is_documented() -> None:
    document = text("docs/services.md")
    cells = re.findall(r"^\| ([^`|]+) \| `([^`]+)`[^|\n]*\|[^|\n]*\| ([^|\n]*)\|", document, re.MULTILINE)
    told = [(title, counted, timed.strip().strip("`")) for title, counted, timed in cells]
    assert told == [
        (
            source.title,
            source.requests,
            "the same" if source.requests == source.durations else source.durations,
        )
        for source in SOURCES
    ]
    for fact, uses in (("CPU", CPU), ("memory", MEMORY)):
        line = next(line for line in document.splitlines() if line.startswith(f"| {fact} |"))
        assert re.findall(r"`([^`*]+)`", line) == [use.metric for use in uses]


def test_the_example_of_the_catalogue_is_accepted(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.+?)```", text("docs/catalogue.md"), re.DOTALL)
    assert example is not None
    file = tmp_path / "example.yaml"
    file.write_text(example[1], encoding="utf-8")
    assert len(load([file])) == len(load()) + 1


def test_the_example_of_the_configuration_is_accepted(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.+?)```", text("docs/configuration.md"), re.DOTALL)
    assert example is not None
    file = tmp_path / "analytics.yaml"
    file.write_text(example[1], encoding="utf-8")
    assert config.load(file, environ={}) != config.Config()


def test_make_targets_that_the_documents_name_exist() -> None:
    makefile = text("Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md", *DOCS.rglob("*.md")]
    named = {
        name
        for path in documents
        for name in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))
    }
    assert named <= targets
    assert {"demo", "serve", "test", "bench", "lint", "wheel", "help"} <= targets


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    dead = [
        f"{path.name}: {target}"
        for path in documents
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    mentioned = [
        f"{path.name}: {target}"
        for path in documents
        for target in re.findall(r"\b(docs/[a-z]+\.md)\b", path.read_text(encoding="utf-8"))
        if not (ROOT / target).exists()
    ]
    assert dead + mentioned == []


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in DOCS.glob("*.md")} - {"cli", "conformance-matrix"})
)
def test_a_table_is_for_looking_up(name: str) -> None:
    rows = [line.strip("| ") for line in text(f"docs/{name}.md").splitlines() if line.startswith("|")]
    assert [cell for row in rows for cell in row.split(" | ") if len(cell.split()) > MOST_WORDS_A_CELL] == []


def test_the_examples_for_node_owners_have_the_level_that_is_told() -> None:
    rows = re.findall(
        r"^\| (open|sensitive|highly sensitive) \| ([^|]+) \|", text("docs/peers.md"), re.MULTILINE
    )
    levels = {entry.name: entry.level for entry in load()}
    told = {name: level for level, names in rows for name in re.findall(r"`([^`]+)`", names)}
    assert len(told) > len(rows)
    for name, level in told.items():
        word = levels[name].word.replace("_", " ")
        assert word == level or (level == "open" and not levels[name].guarded), name


def test_the_numbers_for_node_owners_are_the_defaults() -> None:
    peers, default = text("docs/peers.md"), config.Config()
    words = {5: "five"}
    assert f"only of groups of at least {words[default.k_anonymity]} peers" in peers
    assert f"above {default.min_region_population:,} people" in peers
    limits = f"{default.max_cpu_usage:g} % of one core and {default.max_memory_usage >> 20} MiB"
    assert limits in peers
    assert (float(default.sensitive_window), float(default.release_window)) == (60.0, 3600.0)
    assert "one sum a minute" in peers
    assert "one sum an hour" in peers


def test_what_is_said_of_upgrades_is_what_the_code_says() -> None:
    upgrading, code = text("docs/upgrading.md"), text("src/blackhole/store/file/migrate.py")
    quoted = ("no copy before migrating", "written by a newer Blackhole")
    assert [words for words in quoted if f"`{words}`" not in upgrading or words not in code] == []
    assert ".schema-{version}.bak" in code
    assert "`analytics.duckdb.schema-N.bak`" in upgrading


def test_the_readme_begins_with_a_picture_then_two_commands_then_your_own_service() -> None:
    readme = text("README.md")
    picture, demo, tests, own = (
        readme.index(part)
        for part in ("![", "make demo ", "make test ", "## Point your own node or service here")
    )
    assert picture < demo < tests < own
    shown = (ROOT / re.findall(r"!\[[^]]+\]\(([^)]+)\)", readme)[0]).read_bytes()
    assert len(shown) <= LARGEST_PICTURE
    assert int.from_bytes(shown[16:20], "big") == PICTURE_WIDTH


def test_the_unit_runs_the_documented_command() -> None:
    unit = text("packaging/blackhole-analytics.service")
    assert "ExecStart=/opt/blackhole/bin/blackhole serve --data-dir /var/lib/blackhole" in unit
    assert "/opt/blackhole/bin/blackhole serve --data-dir /var/lib/blackhole" in text("docs/operations.md")


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    headings = re.findall(r"^## \[?([^\] ]+)", text("CHANGELOG.md"), re.MULTILINE)
    assert headings
    assert headings[0] == "Unreleased" or headings[0] == version
