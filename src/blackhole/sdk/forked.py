"""Turns what a child has of its parent's measurements into those of a process that has counted nothing.

OpenTelemetry has no word for it (1.45): its child goes on with the parent's sums, start and locks.
"""

import logging
import threading
import uuid
from multiprocessing import util
from typing import Any, Protocol

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

_INSTANCE = "service.instance.id"
_logger = logging.getLogger("blackhole.sdk")


class Closing(Protocol):
    def shutdown(self, timeout: float = ...) -> None: ...


def own(resource: Resource) -> Resource:
    """The resource of a child: as its parent's, but for the instance."""
    return resource.merge(Resource({_INSTANCE: str(uuid.uuid4())}))


def renew(provider: MeterProvider, reader: MetricReader) -> bool:
    """Begins all sums anew, with locks that nobody holds; instruments and callbacks stay.

    False, with a word in the log, where this OpenTelemetry is built in another way.
    """
    given: Any = provider
    try:
        consumer = given._measurement_consumer  # noqa: SLF001
        fresh = type(consumer)(sdk_config=consumer._sdk_config, metric_readers=[reader])  # noqa: SLF001
        consumer._reader_storages, consumer._lock = fresh._reader_storages, fresh._lock  # noqa: SLF001
        for meter in given._meters.values():  # noqa: SLF001
            meter._instrument_registration_lock = threading.Lock()  # noqa: SLF001
    except (AttributeError, TypeError):
        _logger.warning(
            "this process was forked and reports nothing: its OpenTelemetry cannot begin anew;"
            " call blackhole.sdk.setup() in it"
        )
        return False
    return True


def at_end(foundation: Closing) -> None:
    """Closes it when a child of `multiprocessing` ends, which runs no `atexit`."""
    util.register_after_fork(foundation, _finally)


def _finally(foundation: Closing) -> None:
    util.Finalize(None, foundation.shutdown, exitpriority=0)
