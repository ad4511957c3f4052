"""Turns a `Payload` into a `Batch`: the native decoder, with its errors as the project's."""

from collections.abc import Callable

from blackhole import _core
from blackhole.errors import UndecodableError
from blackhole.model.signals import Payload, Signal

Batch = _core.Batch


class Decoder:
    """Stateless but for the key (16 bytes) of the hash that raw series are known by.

    `keep_spans`, `keep_logs`: whether batches hold single spans and log records beside their counts.
    """

    def __init__(
        self,
        key: bytes,
        *,
        clock_ns: Callable[[], int],
        keep_spans: bool = False,
        keep_logs: bool = False,
    ) -> None:
        self._decoder = _core.Decoder(key, keep_spans=keep_spans, keep_logs=keep_logs)
        self._clock_ns = clock_ns

    def decode(self, payload: Payload) -> Batch:
        """Raises UndecodableError, whose text never quotes the body. Releases the GIL."""
        try:
            match payload.signal:
                case Signal.METRICS:
                    return self._decoder.metrics(payload.body, payload.encoding)
                case Signal.TRACES:
                    return self._decoder.traces(payload.body, payload.encoding, self._clock_ns())
                case Signal.LOGS:
                    return self._decoder.logs(payload.body, payload.encoding, self._clock_ns())
        except _core.DecodeError as error:
            raise UndecodableError(f"the body is not an OTLP {payload.signal} request: {error}") from None
