"""A real libp2p network and three small services on loopback, instrumented with the SDK, beside the service.

`run` is the parent; `network` and `services` are programs it starts in the environment that has libp2p.
"""
