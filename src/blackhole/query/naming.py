"""Turns the attributes of a request into what a person calls it: `GET /users/{id}`, `Resolve`."""

import re
from collections import defaultdict
from collections.abc import Sequence

from blackhole.model.series import Attributes
from blackhole.query.outcomes import text

ALL = "all"
_ROUTES = ("http.route", "uri")
_VERBS = ("http.request.method", "http.method", "method")
_CALLS = ("rpc.method", "grpc.method", "method")
_OTHERS = ("task", "messaging.operation.name", "span.name", "http.request.method", "http.method")
METHOD_KEYS = tuple(dict.fromkeys((*_ROUTES, *_VERBS, "rpc.service", *_CALLS, *_OTHERS)))

# `/demo.Identity/Resolve`, `Greeter/SayHello`: of the two halves the first is no part of a path.
_FULL_METHOD = re.compile(r"/?((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|[A-Z]\w*)/([A-Za-z_]\w*)", re.ASCII)


def names(requests: Sequence[Attributes]) -> list[str]:
    """One for each, as short as it can be: where two would be called alike, with their services."""
    full = [_full(attributes) for attributes in requests]
    meant: dict[str, set[str]] = defaultdict(set)
    for name in full:
        meant[_short(name)].add(name)
    return [name if len(meant[_short(name)]) > 1 else _short(name) for name in full]


def _full(attributes: Attributes) -> str:
    route = text(attributes, *_ROUTES)
    if route:
        return f"{text(attributes, *_VERBS)} {route}".strip()
    call, service = text(attributes, *_CALLS), text(attributes, "rpc.service")
    if _FULL_METHOD.fullmatch(call):
        return call.removeprefix("/")
    if call:
        return f"{service}/{call}" if service else call
    return text(attributes, *_OTHERS) or ALL


def _short(name: str) -> str:
    found = _FULL_METHOD.fullmatch(name)
    return found[2] if found else name
