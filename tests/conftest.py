"""What has to be so before any test module is imported."""

import os

# gRPC reads this once, at its import, and whichever test comes first imports it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
