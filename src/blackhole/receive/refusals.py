"""Turns the reasons for which a request is refused unread into what its sender is told."""

from collections.abc import Mapping
from http import HTTPStatus

from blackhole.errors import (
    IntakeError,
    OverloadedError,
    TooLargeError,
    UnauthenticatedError,
    UndecodableError,
    UnsupportedError,
)
from blackhole.receive.answers import Code, Failure, NotHereError, failure

_RETRY_SLOW = 1.0
_RETRY_STOPPING = 5.0


def no_token() -> UnauthenticatedError:
    return UnauthenticatedError("a token is needed: send the header `Authorization: Bearer TOKEN`")


def too_slow() -> OverloadedError:
    return OverloadedError("the request came too slowly: send again", retry_after=_RETRY_SLOW)


def stopping() -> OverloadedError:
    return OverloadedError("the service is stopping", retry_after=_RETRY_STOPPING)


def refusals(limit: int) -> dict[str, Failure]:
    """Of gRPC calls, by the core's name for each reason. `limit`: bytes of one message."""
    return {name: failure(error) for name, error in _errors(limit).items()}


def _errors(limit: int) -> Mapping[str, IntakeError]:
    return {
        "method": NotHereError(
            "no such method: call Export of the metrics, trace or logs service",
            HTTPStatus.NOT_FOUND,
            Code.UNIMPLEMENTED,
        ),
        "content_type": UnsupportedError("this is no gRPC call: POST application/grpc"),
        "token": no_token(),
        "coding": UnsupportedError("this message encoding is not accepted: send gzip, deflate or none"),
        "frame": UndecodableError("the message is not framed as gRPC says"),
        "missing": UndecodableError("the call has no message"),
        "gzip": UndecodableError("the message is not valid gzip"),
        "deflate": UndecodableError("the message is not valid deflate"),
        "ends_early": UndecodableError("the message ends early"),
        "goes_on": UndecodableError("the compressed message goes on after its end: send one stream"),
        "too_large": TooLargeError(f"the message is larger than {limit} bytes: send smaller batches"),
        "too_slow": too_slow(),
        "stopping": stopping(),
    }
