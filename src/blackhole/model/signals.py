"""What senders send, and what they are answered: a request before it is decoded."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

# The name under which this service stores its own metrics.
OWN_SERVICE = "blackhole-analytics"


class Signal(StrEnum):
    METRICS = "metrics"
    TRACES = "traces"
    LOGS = "logs"


class Encoding(StrEnum):
    PROTOBUF = "protobuf"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Payload:
    """The body of one export request, decompressed, as bytes of `encoding`."""

    signal: Signal
    encoding: Encoding
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sender is told: `rejected` points, spans or records, and why (empty: nothing to be said)."""

    rejected: int = 0
    message: str = ""


class Intake(Protocol):
    """What a receiver hands requests to. Returns when all that was accepted on the open path is committed.

    Raises IntakeError, and nothing else.
    """

    async def accept(self, payload: Payload) -> Verdict: ...


class Throttle(Protocol):
    """How fast senders may be (`blackhole.governor.pace`)."""

    async def admit(self) -> None:
        """Returns when the request may be read; then `leave` must follow. Raises OverloadedError."""

    def leave(self) -> None: ...
