"""Turns each rule into one small function that tries it; importing this registers them all."""

from blackhole.conformance.checks import (
    browsers,
    compression,
    connections,
    data_model,
    errors,
    grpc_calls,
    json_rules,
    protobuf_rules,
    success,
    throttling,
)

ALL = (
    success,
    protobuf_rules,
    json_rules,
    data_model,
    compression,
    errors,
    connections,
    browsers,
    throttling,
    grpc_calls,
)
