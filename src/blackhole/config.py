"""Turns defaults, a YAML file, the environment and flags into one checked `Config`."""

import difflib
import ipaddress
import math
import os
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from blackhole.errors import ConfigError
from blackhole.runtime.documents import DocumentError, parse_yaml

ENV_PREFIX = "BLACKHOLE_ANALYTICS__"
_DURATION_UNITS = {
    "d": Fraction(86400),
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1000),
}
_LONGEST_NUMBER = 64
_SIZE_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


# Twice as long ago is still a time that the file can hold.
LONGEST_S = 36_500 * 86400
# They are read and checked; what they steer is not built.
WITHOUT_EFFECT = ("network_sharing", "federation_endpoint", "plugins", "alerts")


class Duration(float):
    """Seconds, written `250ms 10s 5m 1h 30d`."""

    __slots__ = ()


class Size(int):
    """Bytes, written `256MiB 1GiB`."""

    __slots__ = ()


class ApiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token_file: str = ""
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: str = ""
    tls_key: str = ""


class OtlpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token_file: str = ""
    allowed_origins: tuple[str, ...] = ()
    tls_cert: str = ""
    tls_key: str = ""
    max_request_size: Size = Size(16 * 2**20)
    max_concurrency: int = 16


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings, with the defaults of docs/configuration.md."""

    collection_interval: Duration = Duration(10)
    commit_wait: Duration = Duration(0.020)
    push_interval: Duration = Duration(0.250)
    batch_size: int = 8192
    differential_privacy: bool = True
    privacy_budget: float = 1.0
    privacy_delta: float = 1e-9
    budget_period: Duration = Duration(86400)
    sensitive_window: Duration = Duration(60)
    release_window: Duration = Duration(3600)
    k_anonymity: int = 5
    min_region_population: int = 1000
    region_populations: dict[str, int] = {}
    sensitivity_factor: float = 1.0
    retention_period: Duration = Duration(30 * 86400)
    aggregate_retention_period: Duration = Duration(730 * 86400)
    database_path: str = ""
    max_database_size: Size = Size(2**30)
    max_cpu_usage: float = 5.0
    max_memory_usage: Size = Size(256 * 2**20)
    max_disk_usage: Size = Size(2 * 2**30)
    catalogue: tuple[str, ...] = ()
    max_values_per_key: int = 1000
    max_series_per_metric: int = 20000
    max_series: int = 200000
    keep_spans: Duration = Duration(0)
    keep_logs: Duration = Duration(0)
    network_sharing: bool = False
    federation_endpoint: str = ""
    api: ApiConfig = ApiConfig()
    otlp: OtlpConfig = OtlpConfig()
    plugins: dict[str, dict[str, Any]] = {}
    alerts: tuple[dict[str, Any], ...] = ()


def parse_duration(text: str) -> Duration:
    """Seconds of `250ms`, `10s`, `1h30m`, `30d`. Raises ConfigError."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", text[:_LONGEST_NUMBER])
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise ConfigError(f"{_short(text)} is not a duration: write it like 250ms, 10s, 5m, 1h or 30d")
    return Duration(sum(Fraction(number) * _DURATION_UNITS[unit] for number, unit in parts))


def parse_size(text: str) -> Size:
    """Bytes of `256MiB`, `1GiB`, `1048576`. Raises ConfigError."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMG]i?B|B|)\s*", text[:_LONGEST_NUMBER])
    if match is None:
        raise ConfigError(f"{_short(text)} is not a size: write it like 64KiB, 256MiB or 1GiB")
    return Size(Fraction(match[1]) * _SIZE_UNITS[match[2]])


def duration_words(seconds: float) -> str:
    """A duration as the configuration spells it: `1h30m`, `250ms`, `0s`. The inverse of `parse_duration`."""
    rest, words = Fraction(seconds).limit_denominator(10**9), ""
    for unit, size in _DURATION_UNITS.items():
        whole = rest // size
        if whole:
            words, rest = f"{words}{whole}{unit}", rest - whole * size
    if rest:
        return f"{seconds:.9f}".rstrip("0") + "s"
    return words or "0s"


def size_words(size: int) -> str:
    """A size as the configuration spells it: `256MiB`, `1000`. The inverse of `parse_size`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _SIZE_UNITS[unit] == 0:
            return f"{size // _SIZE_UNITS[unit]}{unit}"
    return str(size)


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Reads the configuration. Raises ConfigError, which names the place and the remedy.

    `path` None: `$BLACKHOLE_CONFIG`, else `$XDG_CONFIG_HOME/blackhole/analytics.yaml` if it is there.
    `overrides`: settings of flags, by key; they win.
    """
    environ = os.environ if environ is None else environ
    source = path if path is not None else find(environ)
    settings = read_file(source) if source is not None else {}
    from_environment = _from_environment(environ)
    if from_environment:
        check(from_environment, where=f"environment ({ENV_PREFIX}*)")
        _merge(settings, from_environment)
    _merge(settings, dict(overrides or {}))
    return check(settings, where=str(source) if source is not None else "configuration")


def find(environ: Mapping[str, str]) -> Path | None:
    """The configuration file that would be read without `--config`, or None."""
    if named := environ.get("BLACKHOLE_CONFIG"):
        return Path(named)
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    default = Path(base) / "blackhole" / "analytics.yaml"
    return default if default.exists() else None


def data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the database, keys and run file live by default."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local/share")
    return Path(base) / "blackhole"


def database_path(config: Config, directory: Path | None = None) -> Path:
    """The database file: `database_path`, else `analytics.duckdb` in the data directory."""
    if config.database_path:
        return Path(config.database_path).expanduser()
    return (directory or data_dir()) / "analytics.duckdb"


def check(settings: Mapping[str, Any], *, where: str) -> Config:
    """Turns plain settings into a `Config`. Raises ConfigError for the first thing that is wrong."""
    _refuse_unknown(settings, Config, where, "analytics")
    try:
        config = msgspec.convert(settings, Config, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_plain(str(error))}") from None
    _refuse_nonsense(config, where)
    return config


def idle_settings(config: Config) -> list[str]:
    """A line for each setting that somebody has set and that steers nothing yet."""
    default = Config()
    changed = [key for key in WITHOUT_EFFECT if getattr(config, key) != getattr(default, key)]
    return [f"`analytics.{key}` has no effect yet: what it steers is not built" for key in changed]


def to_settings(config: Config) -> dict[str, Any]:
    """The configuration as plain data, durations in seconds and sizes in bytes."""
    return _plain_data(config, in_words=False)


def to_words(config: Config) -> dict[str, Any]:
    """The configuration as its file would spell it: durations `10s`, sizes `256MiB`."""
    return _plain_data(config, in_words=True)


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach `host`. Names other than `localhost` count as open."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_bind(config: Config, hosts: Mapping[str, str]) -> None:
    """Raises ConfigError when a host beyond loopback is to be bound without a token file.

    `hosts`: what `--listen`, `--otlp-grpc` and `--otlp-http` name, by flag.
    """
    for flag, host in hosts.items():
        key = "api" if flag == "--listen" else "otlp"
        token_file = config.api.token_file if key == "api" else config.otlp.token_file
        if not is_loopback(host) and not token_file:
            raise ConfigError(
                f"{flag} {host}: everyone on the network could reach it: "
                f"set `analytics.{key}.token_file: FILE` (a secret on its first line), or bind 127.0.0.1"
            )


def read_token(path: str, *, key: str) -> str:
    """The secret on the first line of the file that `analytics.KEY.token_file` names. Raises ConfigError."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason}): mend `analytics.{key}.token_file`") from None
    token = lines[0].strip() if lines else ""
    if not token.isascii() or not token.isprintable() or not token:
        raise ConfigError(f"{path}: holds no token: put a secret of plain characters on its first line")
    return token


def read_file(path: Path) -> dict[str, Any]:
    """The settings that one file makes, unchecked. Raises ConfigError when it is no configuration file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason}): name an existing file with --config") from None
    try:
        document = parse_yaml(text)
    except DocumentError as error:
        raise ConfigError(error.told_of(path)) from None
    if document is None:
        return {}
    if not isinstance(document, dict) or set(document) != {"analytics"}:
        raise ConfigError(f"{path}: the file has one top key, `analytics:`; put every setting under it")
    section = document["analytics"] or {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: `analytics:` holds settings, one `key: value` a line")
    return section


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name in sorted(n for n in environ if n.startswith(ENV_PREFIX)):
        *outer, last = name.removeprefix(ENV_PREFIX).lower().split("__")
        place = settings
        for key in outer:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise ConfigError(
                    f"environment variable {name}: `{key}` is already one value: unset one of them"
                )
        place[last] = _environment_value(name, (*outer, last), environ[name])
    return settings


def _environment_value(name: str, path: tuple[str, ...], text: str) -> object:
    if _type_at(path) is str:
        return text
    try:
        return parse_yaml(text)
    except DocumentError:
        raise ConfigError(f"environment variable {name}: the value is not YAML: mend or unset it") from None


def _type_at(path: tuple[str, ...]) -> object:
    struct: Any = Config
    for key in path:
        if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
            return None
        struct = {field.name: field.type for field in msgspec.structs.fields(struct)}.get(key)
    return struct


def _merge(base: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = dict(value) if isinstance(value, Mapping) else value


def _refuse_unknown(settings: Mapping[str, Any], struct: type[msgspec.Struct], where: str, at: str) -> None:
    fields = {f.name: f.type for f in msgspec.structs.fields(struct)}
    for key, value in settings.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "see docs/configuration.md for the known ones"
            raise ConfigError(f"{where}: unknown key `{at}.{key}`: {hint}")
        inner = fields[key]
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}: `{at}.{key}` holds settings, not one value")
            _refuse_unknown(value, inner, where, f"{at}.{key}")


def _decode(kind: type, value: object) -> object:
    try:
        if kind is Duration:
            return _decode_duration(value)
        if kind is Size:
            return _decode_size(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None  # msgspec adds the place to a ValueError
    raise NotImplementedError(kind)


def _decode_duration(value: object) -> Duration:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigError(f"{_short(value)} is not a duration: write it like 250ms, 10s, 5m, 1h or 30d")
    return Duration(value)


def _decode_size(value: object) -> Size:
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{_short(value)} is not a size: write it like 64KiB, 256MiB or 1GiB")
    return Size(value)


def _plain_data(config: Config, *, in_words: bool) -> dict[str, Any]:
    def encode(value: object) -> object:
        if isinstance(value, Duration):
            return duration_words(value) if in_words else float(value)
        if isinstance(value, Size):
            return size_words(value) if in_words else int(value)
        raise NotImplementedError(type(value))

    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=encode)
    return plain


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_NUMBER else text[:_LONGEST_NUMBER] + "…"


def _plain(message: str) -> str:
    text, _, place = message.partition(" - at `$.")
    return f"`analytics.{place.rstrip('`')}`: {text}" if place else text


def _refuse_nonsense(config: Config, where: str) -> None:
    for field in msgspec.structs.fields(Config):
        value = getattr(config, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}: `analytics.{field.name}` must be a finite number, not {value}")
        if isinstance(value, Duration) and value > LONGEST_S:
            raise ConfigError(
                f"{where}: `analytics.{field.name}` must be at most {duration_words(LONGEST_S)}"
            )
    rules = (
        ("privacy_budget", config.privacy_budget > 0, "is epsilon and must be above 0"),
        ("privacy_delta", 0 <= config.privacy_delta < 1, "must be at least 0 and below 1"),
        ("sensitivity_factor", config.sensitivity_factor > 0, "must be above 0"),
        ("min_region_population", config.min_region_population >= 0, "must be at least 0"),
        ("k_anonymity", config.k_anonymity >= 1, "must be at least 1"),
        ("batch_size", config.batch_size >= 1, "must be at least 1"),
        ("push_interval", config.push_interval >= 0.05, "must be at least 50ms"),  # noqa: PLR2004
        ("commit_wait", 0 <= config.commit_wait <= 5, "must be between 0s and 5s"),  # noqa: PLR2004
        ("collection_interval", config.collection_interval >= 1, "must be at least 1s"),
        ("sensitive_window", config.sensitive_window >= 1, "must be at least 1s"),
        ("release_window", config.release_window >= 1, "must be at least 1s"),
        ("budget_period", config.budget_period >= config.release_window, "must hold one release_window"),
        ("retention_period", config.retention_period > 0, "must be above 0s"),
        ("max_memory_usage", config.max_memory_usage >= 128 * 2**20, "must be at least 128MiB"),
        ("max_cpu_usage", config.max_cpu_usage > 0, "must be above 0"),
        ("max_series", config.max_series >= 1, "must be at least 1"),
        ("max_series_per_metric", config.max_series_per_metric >= 1, "must be at least 1"),
        ("max_values_per_key", config.max_values_per_key >= 1, "must be at least 1"),
        ("otlp.max_concurrency", config.otlp.max_concurrency >= 1, "must be at least 1"),
        ("otlp.max_request_size", config.otlp.max_request_size >= 1024, "must be at least 1KiB"),  # noqa: PLR2004
    )
    for key, holds, problem in rules:
        if not holds:
            raise ConfigError(f"{where}: `analytics.{key}` {problem}")
