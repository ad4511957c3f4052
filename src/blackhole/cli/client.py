"""Turns questions into HTTP requests to the service, and problem documents into one-line errors."""

import contextlib
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from blackhole.errors import BlackholeError, PrivacyError, UnavailableError, UsageError

DEFAULT_URL = "http://127.0.0.1:8080"
LARGEST_ANSWER = 256 * 2**20
_BASE = "/api/analytics/"
_PATIENCE = 30.0
# A file of many gigabytes is read and written.
_LONG_PATIENCE = 3600.0


class ServiceClient:
    """A running service. `trust`: a certificate file to trust beside the system's, or empty."""

    def __init__(self, url: str, token: str = "", trust: str = "") -> None:
        self.name = url.rstrip("/")
        self._token = token
        self._trust = trust

    def query(self, question: Mapping[str, Any]) -> bytes:
        return self._ask("query", question)

    def sql(self, text: str, max_rows: int) -> bytes:
        return self._ask("sql", {"sql": text, "max_rows": max_rows})

    def status(self) -> bytes:
        return self._ask("status")

    def privacy_budget(self) -> bytes:
        return self._ask("privacy/budget")

    def privacy_ledger(self, before: int | None, limit: int) -> bytes:
        below = "" if before is None else f"&before={before}"
        return self._ask(f"privacy/ledger?limit={limit}{below}")

    def explain(self, metric: str) -> bytes:
        return self._ask(f"privacy/explain/{quote(metric)}")

    def metrics(self) -> bytes:
        return self._ask("metrics")

    def allow(self, permission: Mapping[str, Any]) -> bytes:
        return self._ask("catalogue/allow", permission)

    def forget(self, what: Mapping[str, Any]) -> bytes:
        return self._ask("forget", what, patience=_LONG_PATIENCE)

    def backup(self, directory: str) -> bytes:
        return self._ask("backup", {"directory": directory}, patience=_LONG_PATIENCE)

    def _ask(self, path: str, body: Mapping[str, Any] | None = None, *, patience: float = _PATIENCE) -> bytes:
        headers = {"Accept": "application/json"}
        data = None
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.name + _BASE + path, data, headers)  # noqa: S310 (scheme checked)
        try:
            with _opener(self._trust).open(request, timeout=patience) as answer:
                return _limited(answer, self.name)
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error.code, error.read(65536)) from None
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(
                f"{self.name}: {_reason(error, patience)}: see `blackhole status`"
            ) from None


def is_alive(url: str, trust: str = "") -> bool:
    """Whether a Blackhole answers at `url`. Raises UsageError when that is no http(s) address."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise UsageError(f"{url}: is not an address: write it like {DEFAULT_URL}")
    request = urllib.request.Request(url.rstrip("/") + "/healthz")  # noqa: S310 (scheme checked)
    try:
        with contextlib.closing(_opener(trust).open(request, timeout=3)) as answer:
            return "status" in json.loads(answer.read(4096))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return False


def _opener(trust: str) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if trust:
        context.load_verify_locations(cafile=trust)
    # Questions go straight to the service: a proxy of the environment must not see them.
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )


def _limited(answer: http.client.HTTPResponse, name: str) -> bytes:
    body = answer.read(LARGEST_ANSWER + 1)
    if len(body) > LARGEST_ANSWER:
        raise BlackholeError(f"{name}: the answer is over {LARGEST_ANSWER >> 20} MiB: ask for less")
    return body


def _problem(status: int, body: bytes) -> BlackholeError:
    try:
        document = json.loads(body)
        words = document.get("detail") or document.get("title") or ""
        kind = str(document.get("type", ""))
    except (ValueError, AttributeError):
        words, kind = "", ""
    if status == http.client.UNAUTHORIZED:
        return UsageError(
            "the service wants a token: set $BLACKHOLE_TOKEN, or `analytics.api.token_file` with --config"
        )
    text = words or f"the service answered {status}: see its log"
    if kind.endswith((":usage", ":config", ":catalogue")):
        return UsageError(text)
    return PrivacyError(text) if "privacy" in kind else BlackholeError(text)


def _reason(error: Exception, patience: float) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer within {patience:.0f} s"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
