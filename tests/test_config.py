import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blackhole import config as settings
from blackhole.config import (
    Config,
    Duration,
    Size,
    check,
    duration_words,
    load,
    parse_duration,
    parse_size,
    read_token,
    refuse_open_bind,
    size_words,
    to_settings,
    to_words,
)
from blackhole.errors import ConfigError

NO_ENVIRONMENT: dict[str, str] = {"HOME": "/nonexistent"}


def refused(**values: object) -> str:
    with pytest.raises(ConfigError) as caught:
        check(values, where="FILE")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@given(st.integers(0, 10**15))
def test_a_duration_reads_back_as_it_was_written(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(duration_words(seconds)) == seconds


@given(st.integers(0, 10**18))
def test_a_size_reads_back_as_it_was_written(size: int) -> None:
    assert parse_size(size_words(size)) == size


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_of_a_duration_add_up(days: int, hours: int, minutes: int, seconds: int, ms: int) -> None:
    total = days * 86400 + hours * 3600 + minutes * 60 + seconds + ms / 1000
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s{ms}ms") == pytest.approx(total)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except ConfigError as error:
            said = str(error)
        else:
            continue
        assert "write it like" in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("10s", 10), ("5m", 300), ("1h30m", 5400), ("30d", 2592000)]
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("1048576", 2**20), ("64KiB", 65536), ("1.5MiB", 1572864), ("2GB", 2 * 10**9), ("7B", 7)],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "10", "-1s", "1h ago", "1e3s", "s", "\u0661s", "9" * 400 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration"):
        parse_duration(text)


def test_the_defaults_are_those_of_the_contract() -> None:
    config = load(environ=NO_ENVIRONMENT)
    assert config == Config()
    assert (config.commit_wait, config.max_memory_usage, config.otlp.max_request_size) == (
        0.02,
        256 * 2**20,
        16 * 2**20,
    )


def test_flags_beat_the_environment_and_the_environment_beats_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "analytics: {k_anonymity: 2, batch_size: 2, max_series: 2}")
    environ = {"BLACKHOLE_ANALYTICS__K_ANONYMITY": "3", "BLACKHOLE_ANALYTICS__BATCH_SIZE": "3"}
    config = load(file, environ=environ, overrides={"k_anonymity": 4})
    assert (config.k_anonymity, config.batch_size, config.max_series) == (4, 3, 2)


def test_the_file_is_found_by_variable_and_then_in_the_home(tmp_path: Path) -> None:
    named = written(tmp_path / "named.yaml", "analytics: {k_anonymity: 8}")
    home = tmp_path / "config" / "blackhole"
    home.mkdir(parents=True)
    written(home / "analytics.yaml", "analytics: {k_anonymity: 9}")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert load(environ=environ).k_anonymity == 9
    assert load(environ=environ | {"BLACKHOLE_CONFIG": str(named)}).k_anonymity == 8


def test_nested_settings_come_from_the_environment() -> None:
    environ = {
        "BLACKHOLE_ANALYTICS__OTLP__MAX_REQUEST_SIZE": "1MiB",
        "BLACKHOLE_ANALYTICS__API__ALLOWED_HOSTS": "[a.example, b.example]",
        "BLACKHOLE_ANALYTICS__COLLECTION_INTERVAL": "2m",
    }
    config = load(environ=environ)
    assert config.otlp.max_request_size == 2**20
    assert config.api.allowed_hosts == ("a.example", "b.example")
    assert float(config.collection_interval) == 120


def test_a_text_setting_is_taken_from_the_environment_as_it_stands() -> None:
    assert load(environ={"BLACKHOLE_ANALYTICS__DATABASE_PATH": "123"}).database_path == "123"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"BLACKHOLE_ANALYTICS__K_ANONIMITY": "3"}, "did you mean `k_anonymity`"),
        (
            {"BLACKHOLE_ANALYTICS__K_ANONYMITY": "["},
            "BLACKHOLE_ANALYTICS__K_ANONYMITY: the value is not YAML",
        ),
        (
            {"BLACKHOLE_ANALYTICS__API": "1", "BLACKHOLE_ANALYTICS__API__TLS_KEY": "f"},
            "`api` is already one value",
        ),
        ({"BLACKHOLE_ANALYTICS__API": "1"}, "`analytics.api` holds settings"),
    ],
)
def test_a_bad_environment_is_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        load(environ=environ | NO_ENVIRONMENT)
    assert "environment" in str(caught.value)


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    assert "did you mean `privacy_budget`?" in refused(privacy_buget=1)
    assert "`analytics.otlp.max_reqest_size`: did you mean `max_request_size`?" in refused(
        otlp={"max_reqest_size": 1}
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e309])
@pytest.mark.parametrize(
    "key", [f for f in Config.__struct_fields__ if isinstance(getattr(Config(), f), float)]
)
def test_a_number_that_is_not_finite_is_refused(key: str, value: float) -> None:
    assert f"`analytics.{key}`" in refused(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("commit_wait", "soon"),
        ("commit_wait", "6s"),
        ("retention_period", -1),
        ("retention_period", "0s"),
        ("keep_spans", True),
        ("max_database_size", "big"),
        ("max_database_size", -5),
        ("max_memory_usage", "1MiB"),
        ("privacy_budget", 0),
        ("privacy_budget", -1),
        ("privacy_delta", 1),
        ("sensitivity_factor", 0),
        ("k_anonymity", 0),
        ("k_anonymity", "many"),
        ("budget_period", "1m"),
    ],
)
def test_an_error_names_the_file_and_the_key(key: str, value: object) -> None:
    message = refused(**{key: value})
    assert message.startswith("FILE: ")
    assert f"`analytics.{key}`" in message


def test_an_error_in_a_nested_setting_names_its_whole_path() -> None:
    assert "`analytics.otlp.max_request_size`" in refused(otlp={"max_request_size": "huge"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("analytics: {k_anonymity: 1\n", "line 2"),
        ("k_anonymity: 1", "one top key, `analytics:`"),
        ("- 1", "one top key"),
        ("analytics: [1]", "holds settings"),
        ("analytics: {commit_wait: soon}", "`analytics.commit_wait`: 'soon' is not a duration"),
    ],
)
def test_a_broken_file_is_one_line_with_its_name(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path / "broken.yaml", text)
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        load(file, environ=NO_ENVIRONMENT)
    assert str(caught.value).startswith(str(file))
    assert len(str(caught.value).splitlines()) == 1


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path / "e.yaml", ""), environ=NO_ENVIRONMENT) == Config()
    assert load(written(tmp_path / "f.yaml", "analytics:\n"), environ=NO_ENVIRONMENT) == Config()


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load(tmp_path / "absent.yaml", environ=NO_ENVIRONMENT)


def test_the_configuration_in_words_is_a_configuration() -> None:
    config = check(
        {"commit_wait": "15ms", "max_memory_usage": "300MiB", "plugins": {"x": {"y": 1}}}, where="t"
    )
    words = to_words(config)
    assert (words["commit_wait"], words["max_memory_usage"]) == ("15ms", "300MiB")
    assert check(yaml.safe_load(yaml.safe_dump(words)), where="t") == config
    assert check(to_settings(config), where="t") == config


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.9.1"])
def test_loopback_needs_no_token(host: str) -> None:
    refuse_open_bind(Config(), {"--listen": host, "--otlp-grpc": host, "--otlp-http": host})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "node.example", ""])  # noqa: S104
@pytest.mark.parametrize(
    ("flag", "key"), [("--listen", "api"), ("--otlp-grpc", "otlp"), ("--otlp-http", "otlp")]
)
def test_an_open_bind_needs_a_token_file(host: str, flag: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"analytics.{key}.token_file: FILE"):
        refuse_open_bind(Config(), {flag: host})
    refuse_open_bind(check({key: {"token_file": "t"}}, where="t"), {flag: host})


def test_a_token_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    assert read_token(str(written(tmp_path / "t", " secret \nnote\n")), key="api") == "secret"


@pytest.mark.parametrize("text", ["", "\n", "\x00\n", "né\n"])
def test_a_token_file_without_a_token_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="holds no token"):
        read_token(str(written(tmp_path / "t", text)), key="api")
    with pytest.raises(ConfigError, match=r"analytics\.api\.token_file"):
        read_token(str(tmp_path / "absent"), key="api")


def test_the_data_directory_follows_xdg() -> None:
    assert settings.data_dir({"XDG_DATA_HOME": "/x"}) == Path("/x/blackhole")
    assert settings.data_dir({"HOME": "/h"}) == Path("/h/.local/share/blackhole")
    assert settings.database_path(Config(), Path("/d")) == Path("/d/analytics.duckdb")
    assert settings.database_path(Config(database_path="/e/f"), Path("/d")) == Path("/e/f")


def test_durations_and_sizes_keep_their_types() -> None:
    config = check({"commit_wait": 1, "max_database_size": 5}, where="t")
    assert isinstance(config.commit_wait, Duration)
    assert isinstance(config.max_database_size, Size)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "analytics:\n  k_anonymity: 8\n  batch_size: 2\n  k_anonymity: 1\n",
            "line 4: `k_anonymity` stands here twice",
        ),
        ("analytics: {otlp: {max_request_size: 1MiB, max_request_size: 2MiB}}", "stands here twice"),
        (
            "analytics: {k_anonymity: 8}\nanalytics: {k_anonymity: 1}\n",
            "line 2: `analytics` stands here twice",
        ),
        ("analytics: {retention_period: 127500d}", "at most 36500d"),
        ("analytics: {aggregate_retention_period: 40000d}", "at most 36500d"),
        ("analytics: {k_anonymity: " + "9" * 4301 + "}", "cannot be read"),
        ("analytics: {k_anonymity: 2026-13-45}", "cannot be read"),
        ("analytics: {database_path: '\x07'}", "mend the YAML"),
    ],
)
def test_what_would_be_dropped_or_fail_later_is_refused_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        load(written(tmp_path / "a.yaml", text), environ=NO_ENVIRONMENT)


def test_a_key_may_stand_again_where_it_is_another_one(tmp_path: Path) -> None:
    text = "analytics:\n  api: &place {tls_cert: a, tls_key: b}\n  otlp:\n    <<: *place\n    tls_cert: c\n"
    found = load(written(tmp_path / "a.yaml", text), environ=NO_ENVIRONMENT)
    assert (found.api.tls_cert, found.otlp.tls_cert, found.otlp.tls_key) == ("a", "c", "b")
