"""Turns the reasons for which the core refuses gRPC calls by itself into what their senders are told."""

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

RETRY_SLOW = 1.0
RETRY_STOPPING = 5.0


def refusals(limit: int) -> dict[str, Failure]:
    """By the core's name for each reason. `limit`: bytes of one message."""
    return {name: failure(error) for name, error in _errors(limit).items()}


def _errors(limit: int) -> Mapping[str, IntakeError]:
    return {
        "method": NotHereError(
            "no such method: call Export of the metrics, trace or logs service",
            HTTPStatus.NOT_FOUND,
            Code.UNIMPLEMENTED,
        ),
        "content_type": UnsupportedError("this is no gRPC call: POST application/grpc"),
        "token": UnauthenticatedError("a token is needed: send the header `Authorization: Bearer TOKEN`"),
        "coding": UnsupportedError("this message encoding is not accepted: send gzip, deflate or none"),
        "frame": UndecodableError("the message is not framed as gRPC says"),
        "missing": UndecodableError("the call has no message"),
        "gzip": UndecodableError("the message is not valid gzip"),
        "deflate": UndecodableError("the message is not valid deflate"),
        "ends_early": UndecodableError("the message ends early"),
        "goes_on": UndecodableError("the compressed message goes on after its end: send one stream"),
        "too_large": TooLargeError(f"the message is larger than {limit} bytes: send smaller batches"),
        "too_slow": OverloadedError("the request came too slowly: send again", retry_after=RETRY_SLOW),
        "stopping": OverloadedError("the service is stopping", retry_after=RETRY_STOPPING),
    }
