"""Keeps the newest stream messages, numbered, bounded in count and bytes, so that readers can resume."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

_MAX_MESSAGES = 512
_MAX_BYTES = 4 * 2**20


class Envelope(msgspec.Struct, frozen=True):
    """One message of the stream; `timestamp` is RFC 3339 UTC."""

    type: str
    sequence: int
    timestamp: str
    data: Any


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message as it is sent."""

    sequence: int
    kind: str
    text: str


class Ring:
    """Sequences follow `begins`; `first` is the oldest that is still here, `latest` the newest.

    `begins`: another number in each run, so that a reader of an earlier one is told from a reader of this.
    """

    def __init__(
        self, max_messages: int = _MAX_MESSAGES, max_bytes: int = _MAX_BYTES, *, begins: int = 0
    ) -> None:
        self.begins = begins
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._kept: deque[KeptMessage] = deque()
        self._bytes = 0
        self._newest: dict[str, KeptMessage] = {}
        self.latest = begins

    @property
    def first(self) -> int:
        return self._kept[0].sequence if self._kept else self.latest + 1

    def append(self, kind: str, timestamp: str, data: msgspec.Raw) -> KeptMessage:
        """Numbers and keeps a message; the oldest leave when it gets too much (the newest always stays)."""
        self.latest += 1
        text = msgspec.json.encode(Envelope(kind, self.latest, timestamp, data)).decode()
        kept = KeptMessage(self.latest, kind, text)
        self._kept.append(kept)
        self._newest[kind] = kept
        self._bytes += len(text)
        while len(self._kept) > 1 and (len(self._kept) > self._max_messages or self._bytes > self._max_bytes):
            self._bytes -= len(self._kept.popleft().text)
        return kept

    def clear(self) -> None:
        """Keeps nothing of what was sent; sequences go on."""
        self._kept.clear()
        self._newest.clear()
        self._bytes = 0

    def next(self, sequence: int) -> KeptMessage | None:
        """The oldest message here that is newer than `sequence`."""
        if sequence >= self.latest or not self._kept:
            return None
        return self._kept[max(0, sequence + 1 - self.first)]

    def newest(self) -> list[KeptMessage]:
        """The newest message of each kind, oldest first: what a new reader needs to be up to date."""
        return sorted(self._newest.values(), key=lambda kept: kept.sequence)
