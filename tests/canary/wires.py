"""Sends requests as their senders do, over HTTP and gRPC, and keeps what they are told."""

import gzip
import http.client
import json
from collections.abc import Iterator
from contextlib import closing

import grpc
from tests.canary import broken, places
from tests.canary.broken import JSON, PROTOBUF, Sent, headers
from tests.canary.identities import Canaries
from tests.core.otlp_json import to_json
from tests.e2e.service import Service

_SIGNALS = {"metrics": places.metrics, "traces": places.traces, "logs": places.logs}
_METHODS = {"metrics": "metrics.v1.Metrics", "traces": "trace.v1.Trace", "logs": "logs.v1.Logs"}

Answer = tuple[str, bytes]


def valid(service: Service, canaries: Canaries) -> Iterator[Answer]:
    """Every signal over every wire."""
    for signal, make in _SIGNALS.items():
        path = f"/v1/{signal}"
        body = make(canaries).SerializeToString()
        yield post(service, Sent(body, path, headers=headers(canaries, PROTOBUF)))
        zipped = headers(canaries, PROTOBUF, **{"content-encoding": "gzip"})
        yield post(service, Sent(gzip.compress(make(canaries).SerializeToString(), 1), path, headers=zipped))
        document = json.dumps(to_json(make(canaries))).encode()
        yield post(service, Sent(document, path, headers=headers(canaries, JSON)))
        yield call(service, signal, make(canaries).SerializeToString(), canaries)


def invalid(service: Service, canaries: Canaries) -> Iterator[Answer]:
    for sent in (*broken.bodies(canaries), *broken.requests(canaries)):
        yield post(service, sent)
    for signal in _SIGNALS:
        yield call(service, signal, canaries.name("a message that is nothing").encode(), canaries)
        yield call(service, signal, canaries.name("a message that is too long").encode() * 200_000, canaries)
    yield call(service, canaries.name("a method"), b"", canaries)


def post(service: Service, sent: Sent) -> Answer:
    """What is answered, with all of its headers."""
    place = service.ready["otlp_http"].removeprefix("http://")
    with closing(http.client.HTTPConnection(place, timeout=30)) as connection:
        try:
            connection.request(sent.method, sent.path, sent.body, sent.headers)
            answer = connection.getresponse()
            told = f"{answer.status} {answer.reason}\n{answer.headers}\n".encode() + answer.read()
        except (http.client.HTTPException, OSError) as error:
            told = type(error).__name__.encode()
    return f"the answer to {sent.method} of {len(sent.body)} bytes", told


def call(service: Service, signal: str, body: bytes, canaries: Canaries) -> Answer:
    """What is answered to a gRPC call, with its status and metadata."""
    method = f"/opentelemetry.proto.collector.{_METHODS.get(signal, signal)}Service/Export"
    metadata = [
        ("baggage", f"user={canaries.name('baggage of a call')}"),
        ("user-agent", canaries.name("user agent of a call")),
        ("authorization", f"Bearer {canaries.any('a token of a call')}"),
        ("trace-bin", canaries.identifier(16, "metadata of a call")),
    ]
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(service.ready["otlp_grpc"], options=options) as channel:
        sending = channel.unary_unary(method)
        try:
            answer, done = sending.with_call(body, metadata=metadata, timeout=30)
        except grpc.RpcError as error:
            told = [error.code(), error.details(), error.initial_metadata(), error.trailing_metadata()]
            return f"the failure of a call of {len(body)} bytes", repr(told).encode()
    metadata_of_answer = repr([*done.initial_metadata(), *done.trailing_metadata()]).encode()
    return f"the answer to a call of {len(body)} bytes", bytes(answer) + metadata_of_answer
