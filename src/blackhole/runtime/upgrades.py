"""Turns an offer to leave HTTP/1.1 into the plain request that it is, if nobody takes it (RFC 9110, 7.8)."""

from typing import Any, ClassVar, TypeVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from blackhole.runtime.turned_away import Listener, TurnedAway, strange

_OFFER = {b"upgrade", b"http2-settings"}
_INVALID = "Invalid HTTP request received."


class OfferedUpgrades(HttpToolsProtocol):
    """uvicorn's protocol that reads bodies also from clients that offer h2c, as curl and the JDK do.

    The parser stops after the head of such a request, because another protocol may follow. If none does, a
    second parser gets the head without the offer, and what comes after it.
    """

    _passed_over = False
    _begun = False
    # Connections that speak something else are noted here; `noting` makes the class that does it.
    away: ClassVar[tuple[TurnedAway, Listener] | None] = None

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._note_strange(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._passed_over:
                self._go_on(data[offer.args[0] :])
            elif self._should_upgrade():
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            self.send_400_response(_INVALID)

    def _note_strange(self, data: bytes) -> None:
        kind = strange(data) if self.scheme == "http" else None
        if kind is not None and self.away is not None:
            away, door = self.away
            client, server = self.client, self.server
            away.note(kind, door, client[0] if client else "", (server[1] if server else 0) or 0)

    def on_headers_complete(self) -> None:
        self._passed_over = self._is_passed_over()
        if not self._passed_over:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._passed_over:
            super().on_message_complete()

    def _is_passed_over(self) -> bool:
        parser = self.parser
        return parser.should_upgrade() and parser.get_method() != b"CONNECT" and not self._should_upgrade()

    def _go_on(self, rest: bytes) -> None:
        head = self._plain_head()
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    def _plain_head(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            kept = _without_offer(value) if name == b"connection" else value
            if name not in _OFFER and (kept or name != b"connection"):
                lines.append(b"%s: %s" % (name, kept))
        return b"\r\n".join([*lines, b"", b""])

    def _unsupported_upgrade_warning(self, *_: Any) -> None:
        """Says nothing: an offer is no fault."""


UpgradeKind = TypeVar("UpgradeKind", bound=OfferedUpgrades)


def noting(protocol: type[UpgradeKind], away: TurnedAway, door: Listener) -> type[UpgradeKind]:
    """A subclass of `protocol` whose connections tell `away` if they begin with TLS or HTTP/2."""
    return type(protocol.__name__, (protocol,), {"away": (away, door)})


def _without_offer(connection: bytes) -> bytes:
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in _OFFER)
