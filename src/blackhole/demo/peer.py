"""Turns a key into a libp2p host that discovers, connects, pings, fetches and publishes, and measures it."""

import random
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import trio
from libp2p import new_host
from libp2p.abc import INotifee
from libp2p.crypto.keys import KeyPair
from libp2p.host.ping import ID as PING
from libp2p.host.ping import PingService, perform_ping_roundtrip
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.rcmgr import Direction
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

import blackhole.sdk as bh
from blackhole.demo.inbound import free_places_of_ended
from blackhole.demo.meters import PeerMeters
from blackhole.demo.pace import Pace
from blackhole.sdk.integration import Stopwatch

TOPIC = "blackhole-demo-news"
FETCH = "/blackhole-demo/fetch/1.0.0"
ENOUGH_CONNECTIONS = 3
_DIAL_TIMEOUT = 3.0
_CLOSE_TIMEOUT = 2.0
_CURIOSITY = 0.3
_OLD_NEWS = 10.0
_CHUNK = 16 * 1024
_MAX_FETCH = 256 * 1024
_STAMP = struct.Struct(">d")


class Peer:
    """One life of a host: from `running` to the end of that block. `delay`: seconds it takes over a ping."""

    def __init__(
        self,
        key: KeyPair,
        meters: PeerMeters,
        pace: Pace,
        bootstrap: str | None,
        delay: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._meters = meters
        self._pace = pace
        self._delay = delay
        self._bootstrap = (bootstrap,) if bootstrap else ()
        self._dialing: dict[Any, str] = {}
        self._types: dict[Any, str] = {}
        self._lost: deque[Any] = deque(maxlen=4)
        self._leaving = False
        self._born = time.monotonic()
        self.host = new_host(key_pair=key)
        free_places_of_ended(self.host.get_network())
        self._gossip = GossipSub(
            protocols=["/meshsub/1.1.0"],
            degree=3,
            degree_low=2,
            degree_high=5,
            heartbeat_interval=1,
            prune_back_off=5,
            max_messages_per_topic_per_second=100.0,
        )
        self._pubsub = Pubsub(self.host, self._gossip)
        self._pubsub.set_topic_validator(TOPIC, self._is_news, is_async_validator=False)
        self._dht = KadDHT(self.host, DHTMode.SERVER)
        self._ping = PingService(self.host)
        self.host.set_stream_handler(FETCH, self._serve_fetch)
        self.host.set_stream_handler(PING, self._serve_ping)
        self.host.get_network().register_notifee(_Watcher(self._on_connected, self._on_disconnected))

    @property
    def address(self) -> str:
        return str(self.host.get_addrs()[0])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens, joins through the bootstrap host, and works until the block ends."""
        async with AsyncExitStack() as stack:
            stack.callback(self._pubsub.seen_messages.stop)  # its thread would outlive the host
            await stack.enter_async_context(self.host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]))
            stack.push_async_callback(self._close)
            for service in (self._pubsub, self._gossip, self._dht):
                await stack.enter_async_context(background_trio_service(service))
            await self._pubsub.wait_until_ready()
            async with trio.open_nursery() as nursery:
                for work in (self._read_news, self._write_news, self._look_around, self._exchange):
                    nursery.start_soon(work)
                yield
                nursery.cancel_scope.cancel()

    async def _close(self) -> None:
        """Ending its block alone would leave the host listening."""
        self._leaving = True
        for peer_id in list(self._types):
            await self._forget(peer_id)
        with trio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            await self._tolerate(self.host.close)

    async def join(self) -> None:
        """Dials the bootstrap hosts and makes them known to the routing table."""
        for address in self._bootstrap:
            info = info_from_p2p_addr(Multiaddr(address))
            if await self._dial(info.peer_id, info, "bootstrap", Stopwatch()):
                await self._dht.add_peer(info.peer_id)

    async def _look_around(self) -> None:
        """Discovers by a random walk of the DHT, and lets go of a connection when it has more than enough."""
        await self.join()
        while True:
            await self._pace.sleep(random.uniform(0.5, 2.5))
            connected = self.host.get_connected_peers()
            if not connected:
                await self.join()
            elif self._lost:
                await self._dial_again(self._lost.popleft())
            elif len(connected) > ENOUGH_CONNECTIONS:
                await self._let_go(random.choice(connected))
            else:
                await self._discover()

    async def _discover(self) -> None:
        """The walk dials whom it finds. A known peer that is still not connected may be gone: dialled too."""
        watch, before = Stopwatch(), set(self.host.get_connected_peers())
        with trio.move_on_after(self._pace.timeout(_DIAL_TIMEOUT * 2)):
            found = await self._dht.peer_routing.find_closest_peers_network(random.randbytes(32))
            connected = set(self.host.get_connected_peers())
            for peer_id in connected - before:
                self._meters.discovered(watch.milliseconds, self._type(peer_id), success=True)
            strangers = {*found, *self._dht.routing_table.get_peer_ids()} - connected - {self.host.get_id()}
            if strangers and random.random() < _CURIOSITY:
                target = random.choice(list(strangers))
                await self._dial(target, await self._dht.find_peer(target), "discovery", watch)

    async def _dial_again(self, peer_id: Any) -> None:
        """A peer that went away without being let go: it dropped the connection, or it left for good."""
        if peer_id not in self.host.get_connected_peers():
            info = PeerInfo(peer_id, self.host.get_peerstore().addrs(peer_id))
            await self._dial(peer_id, info, "manual", Stopwatch())

    async def _let_go(self, peer_id: Any) -> None:
        await self._forget(peer_id)
        await self._tolerate(self.host.disconnect, peer_id)

    async def _dial(self, peer_id: Any, info: Any, method: str, watch: Stopwatch) -> bool:
        """Connects, and records how long it took since `watch` was started and whether it worked."""
        success = False
        self._dialing[peer_id] = method
        try:
            with trio.move_on_after(self._pace.timeout(_DIAL_TIMEOUT)):
                success = info is not None and await self._tolerate(self.host.connect, info)
        finally:
            self._dialing.pop(peer_id, None)
        kind = bh.classify_peer(info or PeerInfo(peer_id, []), bootstrap=self._bootstrap)
        self._meters.discovered(watch.milliseconds, kind, success=success)
        return success

    async def _exchange(self) -> None:
        """Pings a connected peer, or fetches some bytes from it."""
        while True:
            await self._pace.sleep(random.expovariate(1 / 0.6))
            connected = self.host.get_connected_peers()
            if connected:
                work = random.choice((self._ping_peer, self._ping_peer, self._fetch))
                with trio.move_on_after(self._pace.timeout(_DIAL_TIMEOUT)):
                    await work(random.choice(connected))

    async def _ping_peer(self, peer_id: Any) -> None:
        watch = Stopwatch()
        success = await self._tolerate(self._ping_once, peer_id)
        self._meters.pinged(watch.milliseconds, self._type(peer_id), success=success)

    async def _ping_once(self, peer_id: Any) -> None:
        """On a stream of its own: PingService keeps one that was given up, and fails with it from then on."""
        stream = await self.host.new_stream(peer_id, [PING])
        try:
            await perform_ping_roundtrip(stream)
        finally:
            with trio.move_on_after(_CLOSE_TIMEOUT, shield=True):
                await self._tolerate(stream.close)

    async def _serve_ping(self, stream: Any) -> None:
        await self._ping.handle_ping(_Unhurried(stream, self._delay))

    async def _fetch(self, peer_id: Any) -> None:
        size = min(int(random.lognormvariate(9.0, 1.2)), _MAX_FETCH)
        await self._tolerate(self._fetch_bytes, peer_id, size)

    async def _fetch_bytes(self, peer_id: Any, size: int) -> None:
        stream = await self.host.new_stream(peer_id, [FETCH])
        await stream.write(size.to_bytes(4, "big"))
        self._meters.moved(4, str(peer_id), outbound=True)
        left = size
        while left > 0:
            piece = await stream.read(min(left, _CHUNK))
            if not piece:
                break
            left -= len(piece)
            self._meters.moved(len(piece), str(peer_id), outbound=False)
        await stream.close()

    async def _serve_fetch(self, stream: Any) -> None:
        peer_id = str(stream.muxed_conn.peer_id)
        try:
            asked = min(int.from_bytes(await stream.read(4), "big"), _MAX_FETCH)
            self._meters.moved(4, peer_id, outbound=False)
            for start in range(0, asked, _CHUNK):
                piece = random.randbytes(min(_CHUNK, asked - start))
                await stream.write(piece)
                self._meters.moved(len(piece), peer_id, outbound=True)
            await stream.close()
        except (StreamError, OSError):
            await self._tolerate(stream.reset)

    async def _write_news(self) -> None:
        while True:
            await self._pace.sleep(random.expovariate(1 / 0.8))
            news = _STAMP.pack(time.monotonic()) + random.randbytes(int(random.lognormvariate(5.0, 0.8)))
            if await self._tolerate(self._pubsub.publish, TOPIC, news):
                self._meters.published()

    async def _read_news(self) -> None:
        own = self.host.get_id().to_bytes()
        news = await self._pubsub.subscribe(TOPIC)
        while True:
            message = await news.get()
            if message.from_id != own:
                (sent,) = _STAMP.unpack_from(message.data)
                self._meters.received((time.monotonic() - sent) * 1000.0)

    def _is_news(self, forwarder: Any, message: Any) -> bool:
        """Whether to read it and hand it on: libp2p tells newcomers what was said long before they came."""
        del forwarder
        if len(message.data) < _STAMP.size:
            return False
        (sent,) = _STAMP.unpack_from(message.data)
        return bool(sent >= max(self._born, time.monotonic() - _OLD_NEWS))

    async def _on_connected(self, connection: Any) -> None:
        if self._leaving:
            return  # it is closed with the host, and nobody tells that
        peer_id = connection.muxed_conn.peer_id
        inbound = connection.direction == Direction.INBOUND
        method = "inbound" if inbound else self._dialing.get(peer_id, "discovery")
        if peer_id not in self._types:
            info = PeerInfo(peer_id, connection.get_transport_addresses())
            self._types[peer_id] = bh.classify_peer(info, bootstrap=self._bootstrap)
            self._meters.connected(str(peer_id), self._types[peer_id], method)

    async def _on_disconnected(self, connection: Any) -> None:
        peer_id = connection.muxed_conn.peer_id
        if peer_id not in self.host.get_connected_peers():
            if peer_id in self._types and random.random() < _CURIOSITY:
                self._lost.append(peer_id)
            await self._forget(peer_id)

    async def _forget(self, peer_id: Any) -> None:
        kind = self._types.pop(peer_id, None)
        if kind is not None:
            self._meters.disconnected(str(peer_id), kind)

    def _type(self, peer_id: Any) -> str:
        return self._types.get(peer_id, "local")

    async def _tolerate(self, action: Callable[..., Awaitable[Any]], *arguments: Any) -> bool:
        """Whether `action` worked: peers leave in the middle of anything, with many kinds of error."""
        try:
            await action(*arguments)
        except Exception:  # noqa: BLE001
            return False
        return True


class _Watcher(INotifee):  # type: ignore[misc]
    """Tells when connections open and close."""

    def __init__(
        self, opened: Callable[[Any], Awaitable[None]], closed: Callable[[Any], Awaitable[None]]
    ) -> None:
        self._opened, self._closed = opened, closed

    async def connected(self, network: Any, conn: Any) -> None:  # noqa: ARG002
        await self._opened(conn)

    async def disconnected(self, network: Any, conn: Any) -> None:  # noqa: ARG002
        await self._closed(conn)

    async def opened_stream(self, network: Any, stream: Any) -> None: ...

    async def closed_stream(self, network: Any, stream: Any) -> None: ...

    async def listen(self, network: Any, multiaddr: Any) -> None: ...

    async def listen_close(self, network: Any, multiaddr: Any) -> None: ...


class _Unhurried:
    """A stream of which each message is read a while after it came."""

    def __init__(self, stream: Any, delay: Callable[[], float]) -> None:
        self._stream = stream
        self._delay = delay

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self, size: int | None = None) -> bytes:
        data: bytes = await self._stream.read(size)
        await trio.sleep(self._delay())
        return data
