"""Turns the filters of a question into which series they let through."""

from collections.abc import Mapping, Sequence

import msgspec

from blackhole.errors import QueryError
from blackhole.model.series import Attributes, Scalar
from blackhole.query.language import Condition, Filter
from blackhole.store.read.regexes import Regexes


def passing(filters: Mapping[str, Filter], series: Sequence[Attributes], regexes: Regexes) -> list[bool]:
    """Whether each of `series` passes all filters. Raises QueryError for what is no regular expression."""
    passed = [True] * len(series)
    for key, wanted in filters.items():
        values = [_words(attributes.get(key)) for attributes in series]
        accepted = _accepted(key, wanted, values, regexes)
        passed = [ok and value in accepted for ok, value in zip(passed, values, strict=True)]
    return passed


def _accepted(key: str, wanted: Filter, values: Sequence[str | None], regexes: Regexes) -> set[str | None]:
    """Those of `values` that a filter accepts. To a condition an absent attribute is an empty one."""
    if not isinstance(wanted, Condition):
        return set(_options(wanted))
    refused = set() if wanted.not_ is None else set(_options(wanted.not_))
    texts = {value or "" for value in values}
    left = texts - refused
    if wanted.matches is not None:
        left &= _matched(key, wanted.matches, texts, regexes)
    if wanted.not_matches is not None:
        left -= _matched(key, wanted.not_matches, texts, regexes)
    return left | ({None} if "" in left else set())


def _matched(key: str, pattern: str, texts: set[str], regexes: Regexes) -> set[str]:
    try:
        return regexes.matched(pattern, {"", *texts})  # so that one that is none is one also without series
    except QueryError as error:
        raise QueryError(f"the pattern of the filter {key} cannot be used: {error}") from None


def _options(wanted: Scalar | list[Scalar]) -> list[str | None]:
    return [_words(option) for option in (wanted if isinstance(wanted, list) else [wanted])]


def _words(value: object) -> str | None:
    """A value as a person writes it, so that `true`, 1 and "1" find what they look like."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return msgspec.json.encode(value).decode()
