"""What has to be so before any test module is imported."""

import os

# gRPC reads this once, at its import, and whichever test comes first imports it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import hypothesis

# A busy machine keeps no deadline, and is slow in making examples.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")
