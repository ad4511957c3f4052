"""Turns the table of endpoints into an OpenAPI 3.1 document."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    `parameters`: texts of the address or, of POST, of a form; a `!` at the end: must be given.
    `error`: the type of what went wrong.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    body: type | None = None
    answer: type | str | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    error: type = Problem


def document(endpoints: Sequence[Endpoint], *, version: str, token_needed: bool) -> Schema:
    """The description of `endpoints`; types become schemas by what they are."""
    types = [t for e in endpoints for t in (e.body, e.answer, e.error) if isinstance(t, type)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, schemas, strict=True))
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
    media_type = MEDIA_TYPE if endpoint.error is Problem else "application/json"
    problem = {
        "description": "What went wrong" + (" (RFC 9457)" if endpoint.error is Problem else ""),
        "content": _content(media_type, schema_of[endpoint.error]),
    }
    operation: Schema = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "responses": {**_success(endpoint, schema_of), "default": problem},
        **_parameters(endpoint),
    }
    if endpoint.body is not None:
        content = _content("application/json", schema_of[endpoint.body])
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    """Two methods of one handler are two operations."""
    name = endpoint.handler.__name__
    return f"{endpoint.method.lower()}_{name}" if endpoint.error is not Problem else name


def _parameters(endpoint: Endpoint) -> Schema:
    """Of the path, of the address, and of a form."""
    of_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", endpoint.path)
    ]
    texts = {name.rstrip("!"): _text_schema(name.rstrip("!")) for name in endpoint.parameters}
    required = [name[:-1] for name in endpoint.parameters if name.endswith("!")]
    if endpoint.method == "POST" and texts:
        form = {"type": "object", "properties": texts, "required": required}
        body = {"required": True, "content": _content("application/x-www-form-urlencoded", form)}
        return {"requestBody": body, **({"parameters": of_path} if of_path else {})}
    of_address: list[Schema] = [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in texts.items()
    ]
    of_address += [
        {"name": name, "in": "query", "description": words, "schema": {"type": "integer"}}
        for name, words in endpoint.numbers.items()
    ]
    return {"parameters": [*of_path, *of_address]} if of_path or of_address else {}


def _text_schema(name: str) -> Schema:
    text: Schema = {"type": "string"}
    return {"type": "array", "items": text} if name.endswith("[]") else text


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
