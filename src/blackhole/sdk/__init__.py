"""What services import to report into Blackhole Analytics: `import blackhole.sdk as bh`.

Nothing of the service is imported from here. OpenTelemetry is loaded when the first name that needs it is
used, so that a program which only supervises the service (`AnalyticsProcess`) does not have to install it.
"""

import importlib
from typing import TYPE_CHECKING

from blackhole.sdk.failures import ERROR_TYPES, classify_error
from blackhole.sdk.peers import classify_peer
from blackhole.sdk.process import AnalyticsProcess, AnalyticsProcessError, Endpoints

if TYPE_CHECKING:
    from blackhole.sdk.asgi import asgi_middleware
    from blackhole.sdk.foundation import Foundation, setup
    from blackhole.sdk.grpc import grpc_server_interceptor
    from blackhole.sdk.integration import AnalyticsIntegration
    from blackhole.sdk.views import privacy_views

_LAZY = {
    "AnalyticsIntegration": "blackhole.sdk.integration",
    "Foundation": "blackhole.sdk.foundation",
    "asgi_middleware": "blackhole.sdk.asgi",
    "grpc_server_interceptor": "blackhole.sdk.grpc",
    "privacy_views": "blackhole.sdk.views",
    "setup": "blackhole.sdk.foundation",
}

__all__ = [
    "ERROR_TYPES",
    "AnalyticsIntegration",
    "AnalyticsProcess",
    "AnalyticsProcessError",
    "Endpoints",
    "Foundation",
    "asgi_middleware",
    "classify_error",
    "classify_peer",
    "grpc_server_interceptor",
    "privacy_views",
    "setup",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(_LAZY[name])
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.partition(".")[0] not in {"opentelemetry", "grpc", "psutil"}:
            raise
        raise ImportError(
            f"blackhole.sdk.{name} needs {missing.partition('.')[0]}: pip install 'blackhole-analytics[sdk]'",
            name=missing,
        ) from None
    value: object = getattr(module, name)
    globals()[name] = value
    return value
