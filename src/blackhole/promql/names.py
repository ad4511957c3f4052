"""Turns names, units and attributes of OpenTelemetry into the names and labels that Prometheus gives them.

The rules are those of Prometheus' OTLP receiver (github.com/prometheus/otlptranslator).
"""

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from blackhole.model.series import MetricType, PrivacyLevel

NAME = "__name__"
LE = "le"
# Tells apart metrics that have one name for Prometheus.
ORIGIN = "otel_metric_name"

# The units of UCUM that have a word in Prometheus, and those that stand behind a "/".
_UNITS = dict(
    pair.split("=")
    for pair in [
        "d=days",
        "h=hours",
        "min=minutes",
        "s=seconds",
        "ms=milliseconds",
        "us=microseconds",
        "ns=nanoseconds",
        "By=bytes",
        "KiBy=kibibytes",
        "MiBy=mebibytes",
        "GiBy=gibibytes",
        "TiBy=tibibytes",
        "KBy=kilobytes",
        "MBy=megabytes",
        "GBy=gigabytes",
        "TBy=terabytes",
        "m=meters",
        "V=volts",
        "A=amperes",
        "J=joules",
        "W=watts",
        "g=grams",
        "Cel=celsius",
        "Hz=hertz",
        "1=",
        "%=percent",
    ]
)
_PER_UNITS = dict(
    pair.split("=") for pair in ["s=second", "m=minute", "h=hour", "d=day", "w=week", "mo=month", "y=year"]
)
_LEAST_PLAIN, _FIRST_NOT_PLAIN = 1e-6, 1e21
_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9]")
_RESERVED = re.compile(r"__(.*)__", re.DOTALL)

Labels = dict[str, str]


@cache
def kind_of(kind: str, level: int) -> str:
    """The type that Prometheus is told; what is guarded is a gauge, since noise may lower it."""
    if kind in {MetricType.HISTOGRAM, MetricType.SUMMARY}:
        return "gaugehistogram" if PrivacyLevel(level).guarded else "histogram"
    return "counter" if kind == MetricType.COUNTER and not PrivacyLevel(level).guarded else "gauge"


def metric_name(name: str, kind: str, unit: str, level: int) -> str:
    """`http.requests` in `{request}` as `http_requests_total`; histograms without their suffixes."""
    tokens = [token for token in _NOT_IN_METRIC.split(name) if token]
    tokens += _unit_tokens(tokens, unit)
    if kind_of(kind, level) == "counter":
        tokens = _ending_in(tokens, "total")
    elif unit == "1" and kind == MetricType.GAUGE:
        tokens = _ending_in(tokens, "ratio")
    joined = "_".join(tokens)
    return f"_{joined}" if joined[:1].isdigit() else joined


def beside(name: str, word: str) -> str:
    """Another name than `name` for a metric of the type `word`; that of a counter ends as before."""
    if word != "counter":
        return f"{name}_{word}"
    stem = name.removesuffix("total").rstrip("_")
    return "_".join(part for part in (stem, word, "total") if part)


def _ending_in(words: list[str], last: str) -> list[str]:
    return [*(word for word in words if word != last), last]


def _unit_tokens(tokens: list[str], unit: str) -> list[str]:
    main, _, per = (part.strip() for part in unit.partition("/"))
    words = [
        "" if "{" in main or "}" in main else _clean(_UNITS.get(main, main)),
        "" if not per or "{" in per or "}" in per else _clean(f"per_{_PER_UNITS.get(per, per)}").rstrip("_"),
    ]
    return [word for word in words if word and word not in {*tokens, "per"}]


def _clean(unit: str) -> str:
    return re.sub("__+", "_", re.sub("[^a-zA-Z0-9:]", "_", unit)).removeprefix("_")


def label_name(key: str) -> str:
    """`service.name` as `service_name`; what Prometheus keeps for itself is not given away."""
    if _RESERVED.fullmatch(key):
        return f"__{_NOT_IN_LABEL.sub('_', key[2:-2])}__"
    name = _NOT_IN_LABEL.sub("_", key)
    if name[:1].isdigit():
        return f"key_{name}"
    return f"key{name}" if name[:1] == "_" and name[:2] != "__" else name


def labels_of(attributes: Mapping[str, Any]) -> Labels:
    """The labels of a series without its name. `job` and `instance` are as for the resource of a service.

    Keys that become the same label have their values joined, in the order of the keys.
    """
    labels: Labels = {}
    for key in sorted(attributes):
        name, value = label_name(key), _text(attributes[key])
        if name.strip("_") and value:
            labels[name] = f"{labels[name]};{value}" if name in labels else value
    service, space = _text(attributes.get("service.name")), _text(attributes.get("service.namespace"))
    if service:
        labels.setdefault("job", f"{space}/{service}" if space else service)
    if instance := _text(attributes.get("service.instance.id")):
        labels.setdefault("instance", instance)
    return labels


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def short_text(value: float) -> str:
    """As `number_text`, but with an exponent below a millionth and from 1e21 on: samples are written so."""
    small_or_large = value != 0 and not _LEAST_PLAIN <= abs(value) < _FIRST_NOT_PLAIN
    return repr(value) if small_or_large and math.isfinite(value) else number_text(value)


def number_text(value: float) -> str:
    """As few digits as are exact, and no exponent: Go's FormatFloat(value, 'f', -1, 64)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" not in text:
        return text.removesuffix(".0")
    digits, _, exponent = text.partition("e")
    whole, _, fraction = digits.removeprefix("-").partition(".")
    sign = "-" if value < 0 else ""
    if int(exponent) > 0:
        return sign + whole + fraction.ljust(int(exponent), "0")
    return f"{sign}0.{'0' * (-int(exponent) - 1)}{whole}{fraction}"
