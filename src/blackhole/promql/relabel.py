"""Turns series into the same under other labels: label_replace, label_join, and the labels of absent()."""

from collections.abc import Sequence

from blackhole.errors import EvaluationError
from blackhole.promql.matching import Matcher, expand
from blackhole.promql.names import NAME, Labels
from blackhole.promql.values import Vector, VectorSeries, merged
from blackhole.store.read.regexes import Regexes


def label_replace(vector: Vector, texts: Sequence[str], regexes: Regexes) -> Vector:
    """`texts`: destination, replacement, source, regular expression."""
    destination, replacement, source, pattern = texts
    _check(destination)
    groups = regexes.groups(pattern, {series.labels.get(source, "") for series in vector})
    answers: Vector = []
    for series in vector:
        found = groups.get(series.labels.get(source, ""))
        labels = (
            series.labels if found is None else _with(series.labels, destination, expand(replacement, found))
        )
        answers.append(VectorSeries(labels, series.values))
    return merged(answers)


def label_join(vector: Vector, texts: Sequence[str]) -> Vector:
    """`texts`: destination, separator, and the labels to join."""
    destination, separator, *sources = texts
    _check(destination)
    return merged(
        VectorSeries(
            _with(
                series.labels, destination, separator.join(series.labels.get(name, "") for name in sources)
            ),
            series.values,
        )
        for series in vector
    )


def _with(labels: Labels, name: str, value: str) -> Labels:
    others = {key: text for key, text in labels.items() if key != name}
    return {**others, name: value} if value else others


def _check(name: str) -> None:
    if not name:
        raise EvaluationError("invalid destination label name: it is empty")


def absent_labels(matchers: Sequence[Matcher]) -> Labels:
    """What a selector without samples says about the series that is missing."""
    labels: Labels = {}
    seen: set[str] = set()
    for matcher in matchers:
        if matcher.label == NAME:
            continue
        if not matcher.pattern and not matcher.negated and matcher.label not in seen:
            labels[matcher.label] = matcher.value
            seen.add(matcher.label)
        else:
            labels.pop(matcher.label, None)
    return {name: value for name, value in labels.items() if value}
