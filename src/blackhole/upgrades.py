"""Turns an offer to leave HTTP/1.1 that is not taken up into the plain request that it is (RFC 9110, 7.8)."""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER = {b"upgrade", b"http2-settings"}
_INVALID = "Invalid HTTP request received."


class OfferedUpgrades(HttpToolsProtocol):
    """uvicorn's protocol, which reads bodies also where a client offers h2c, as curl and the JDK do.

    The parser stops at the head of such a request, since another protocol may follow; where none does,
    another parser is given the head without the offer, and what comes after it.
    """

    _passed_over = False

    def data_received(self, data: bytes) -> None:
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
        """An offer is nothing to warn of."""


def _without_offer(connection: bytes) -> bytes:
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in _OFFER)
