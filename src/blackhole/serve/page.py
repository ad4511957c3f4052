"""Serves the built dashboard, or, where it was not built, a plain page that says how to get it."""

import mimetypes
import os
import re
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The smaller one first.
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_PAGE_HEADERS = {"content-security-policy": CONTENT_SECURITY_POLICY, "cache-control": "no-cache"}

_PLAIN = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Blackhole Analytics</title>
<h1>Blackhole Analytics is running</h1>
<p>The dashboard was not built into this copy. To build it: <code>npm ci &amp;&amp; npm run build</code> in
<code>web/</code>, or <code>make serve</code> at the root of the repository.</p>
<p>Everything else works: <a href="/api/analytics/health">health of the services</a>,
<a href="/api/analytics/metrics">metrics</a>, <a href="/api/analytics/status">status</a>,
<a href="/openapi.json">the whole API</a>.</p>
<p>To send data, start a program that uses OpenTelemetry with
<code>OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317</code>.</p>
</html>
"""


class Page:
    """The dashboard in the folder `static`."""

    def __init__(self, static: Path = STATIC) -> None:
        self._index = static / "index.html"
        self.assets = Assets(directory=static / "assets", check_dir=False)

    async def index(self, request: Request) -> Response:
        if self._index.is_file():
            path, encoding = smallest(self._index, request.headers.get("accept-encoding", ""))
            return FileResponse(path, headers={**_PAGE_HEADERS, **encoding}, media_type="text/html")
        return HTMLResponse(_PLAIN, headers=_PAGE_HEADERS)


class Assets(StaticFiles):
    """Files whose names hold a hash of their content: they never change."""

    async def check_config(self) -> None:
        """A dashboard that was not built is no fault of the server: its files are just not found."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        headers = Headers(scope=scope)
        plain = Path(full_path)
        path, encoding = smallest(plain, headers.get("accept-encoding", ""))
        media_type = mimetypes.guess_type(plain.name)[0] or "application/octet-stream"
        if path == plain:
            response = super().file_response(full_path, stat_result, scope, status_code)
        else:
            response = FileResponse(path, status_code, media_type=media_type)
        response.headers.update(encoding)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def smallest(path: Path, accepted: str) -> tuple[Path, dict[str, str]]:
    """What the build compressed, in an encoding that the browser takes; with the headers that say so."""
    vary = {"vary": "Accept-Encoding"}
    for encoding, suffix in _ENCODINGS:
        compressed = path.with_name(path.name + suffix)
        if _takes(accepted, encoding) and compressed.is_file():
            return compressed, {**vary, "content-encoding": encoding}
    return path, vary


def _takes(accepted: str, encoding: str) -> bool:
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == encoding:
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False
