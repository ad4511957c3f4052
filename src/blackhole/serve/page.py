"""Serves the built dashboard, or, where it was not built, a plain page that says how to get it."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
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

    async def index(self, _request: Request) -> Response:
        if self._index.is_file():
            return FileResponse(self._index, headers=_PAGE_HEADERS, media_type="text/html")
        return HTMLResponse(_PLAIN, headers=_PAGE_HEADERS)


class Assets(StaticFiles):
    """Files whose names hold a hash of their content: they never change."""

    async def check_config(self) -> None:
        """A dashboard that was not built is no fault of the server: its files are just not found."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response
