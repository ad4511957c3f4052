"""Metrics with odd names, units and attributes, whose names Prometheus was asked for (names.json)."""

from typing import Any

# Name, unit, type (counter, updowncounter, gauge or histogram), attributes.
Case = tuple[str, str, str, dict[str, Any]]

# Of the histograms.
BOUNDS = (-5.0, 2.5e-07, 0.1, 1.0, 2.5, 123456.0, 1e6, 1e21, 1.5e22)

CASES: tuple[Case, ...] = (
    ("http.requests", "{request}", "counter", {}),
    ("http.requests.total", "1", "counter", {}),
    ("total.requests", "1", "counter", {}),
    ("net.sent", "By", "counter", {}),
    ("net.sent.bytes", "By", "counter", {}),
    ("net.speed", "By/s", "gauge", {}),
    ("net.speed.per_second", "By/s", "gauge", {}),
    ("requests.per.second", "{request}/s", "gauge", {}),
    ("price", "{euro}/kWh", "gauge", {}),
    ("cpu.usage", "1", "gauge", {}),
    ("hit.ratio", "1", "gauge", {}),
    ("ratio.of.hits", "1", "gauge", {}),
    ("connections", "1", "updowncounter", {}),
    ("connections.total", "1", "updowncounter", {}),
    ("cpu.percent", "%", "gauge", {}),
    ("temperature", "Cel", "gauge", {}),
    ("queue.age", "min", "gauge", {}),
    ("queue.age.days", "d", "gauge", {}),
    ("disk.size", "GiBy", "gauge", {}),
    ("uptime", "ms", "gauge", {}),
    ("latency", "us", "histogram", {}),
    ("latency.seconds", "s", "histogram", {}),
    ("size", "By", "histogram", {}),
    ("odd.unit", "foo bar", "gauge", {}),
    ("odd.unit.two", "m/s^2", "gauge", {}),
    ("odd.unit.three", "/s", "gauge", {}),
    ("odd.unit.four", "widget", "counter", {}),
    ("odd.unit.five", "__x__", "gauge", {}),
    ("9lives", "1", "counter", {}),
    ("_private_", "", "gauge", {}),
    ("a..b--c", "", "gauge", {}),
    ("colon:name", "", "counter", {}),
    ("Größe", "By", "gauge", {}),
    ("labels.plain", "", "gauge", {"http.method": "get", "http.route": "/a/{b}"}),
    ("labels.kinds", "", "gauge", {"flag": True, "number": 7, "share": 0.5, "text": 'a "b" \\ c'}),
    ("labels.digits", "", "gauge", {"1st": "x", "_hidden": "y", "a__b": "z"}),
    ("labels.same", "", "gauge", {"a.b": "one", "a_b": "two", "a-b": "three"}),
    ("labels.empty", "", "gauge", {"nothing": "", "something": "x"}),
    ("labels.unicode", "", "gauge", {"größe": "groß"}),
)
