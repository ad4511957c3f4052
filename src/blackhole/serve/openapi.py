"""Turns the table of endpoints into an OpenAPI 3.1 document."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from blackhole.serve.problems import MEDIA_TYPE, Problem

Handler = Callable[[Request], Awaitable[Response]]
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation. `answer` is a type (JSON), the media type of other answers, or None (204, no body).

    `numbers`: whole numbers that may stand in the query string, each with what it says.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    body: type | None = None
    answer: type | str | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)


def document(endpoints: Sequence[Endpoint], *, version: str, token_needed: bool) -> Schema:
    """The description of `endpoints`; types become schemas by what they are."""
    types = [t for e in endpoints for t in (e.body, e.answer) if isinstance(t, type)]
    schemas, components = msgspec.json.schema_components(
        [*types, Problem], ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip([*types, Problem], schemas, strict=True))
    paths: Schema = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    described: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "Blackhole Analytics",
            "version": version,
            "description": "Private, local analytics of a node. The live stream is a WebSocket at "
            "/analytics/stream (`?since=SEQUENCE` resumes).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    if token_needed:
        described["security"] = [{"token": []}]
    return described


def _operation(endpoint: Endpoint, schema_of: dict[type, Schema]) -> Schema:
    problem = {
        "description": "What went wrong (RFC 9457)",
        "content": _content(MEDIA_TYPE, schema_of[Problem]),
    }
    operation: Schema = {
        "operationId": endpoint.handler.__name__,
        "summary": endpoint.summary,
        "responses": {**_success(endpoint, schema_of), "default": problem},
    }
    if parameters := list(_parameters(endpoint)):
        operation["parameters"] = parameters
    if endpoint.body is not None:
        content = _content("application/json", schema_of[endpoint.body])
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(endpoint: Endpoint) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)}", endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    for name, words in endpoint.numbers.items():
        yield {"name": name, "in": "query", "description": words, "schema": {"type": "integer"}}


def _success(endpoint: Endpoint, schema_of: dict[type, Schema]) -> Schema:
    if endpoint.answer is None:
        return {"204": {"description": "Done"}}
    if isinstance(endpoint.answer, str):
        return {
            "200": {"description": endpoint.summary, "content": _content(endpoint.answer, {"type": "string"})}
        }
    content = _content("application/json", schema_of[endpoint.answer])
    return {"200": {"description": endpoint.summary, "content": content}}


def _content(media_type: str, schema: Schema) -> Schema:
    return {media_type: {"schema": schema}}
