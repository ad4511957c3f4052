"""The built-in catalogue's guarded metrics, as `python -m tools.sdk_views` writes them."""

from typing import NamedTuple


class Guarded(NamedTuple):
    """`keys`: the attributes that the service uses, ids of privacy units last; they end in its guard."""

    name: str
    histogram: bool
    keys: tuple[str, ...]
    boundaries: tuple[float, ...]


GUARDED = (
    Guarded("content.operations", False, ("type", "user.id", "enduser.id"), ()),
    Guarded("content.size", True, ("type", "user.id", "enduser.id"), (1024.0, 10240.0, 102400.0, 1048576.0)),
    Guarded("identity.operations", False, ("type", "user.id", "enduser.id"), ()),
    Guarded("p2p.bandwidth.usage", False, ("direction", "peer.id", "network.peer.id", "libp2p.peer.id"), ()),
    Guarded(
        "p2p.connection.duration",
        True,
        ("type", "category", "region", "peer_type", "peer.id", "network.peer.id", "libp2p.peer.id"),
        (1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0),
    ),
    Guarded("p2p.peer.connection", False, ("region", "peer.id", "network.peer.id", "libp2p.peer.id"), ()),
    Guarded(
        "p2p.peer.connections",
        False,
        ("type", "category", "region", "peer_type", "peer.id", "network.peer.id", "libp2p.peer.id"),
        (),
    ),
    Guarded("p2p.peer.distribution", False, ("region", "peer.id", "network.peer.id", "libp2p.peer.id"), ()),
    Guarded("user.active", False, ("user.id", "enduser.id"), ()),
    Guarded("user.interactions", False, ("type", "user.id", "enduser.id"), ()),
)
