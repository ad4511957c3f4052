"""Turns the states of series into what must not be, whatever was usual: none left, most fail, none comes."""

import math
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from blackhole.model.series import Attributes, PrivacyLevel
from blackhole.model.written_times import SECOND
from blackhole.query import outcomes
from blackhole.query.recent import LiveSeries

StatesBySeries = Mapping[int, LiveSeries]
# The series that are asked about, into the time at which one of them was last above zero.
LastAbove = Callable[[list[list[int]]], list[int | None]]
# From when until when, into for how much of that time senders could not be heard because of us.
Ours = Callable[[int, int], int]
# A service, what is watched of it, and where one series is watched its number.
LimitKey = tuple[str, str, int]

ZERO_NS = 30 * SECOND
# Of one kind of peers there may be none for a while.
PART_ZERO_NS = 60 * SECOND
QUIET_NS = 600 * SECOND
# How fast a share forgets, and how many must have failed of late.
_MEMORY_NS = 60 * SECOND
_LEAST_FAILED = 4.0
_A_QUARTER = 0.25
# A look tells of at most so much time: before it nobody looked.
_LOOK_NS = 15 * SECOND
REQUESTS = "requests"
_NEARLY_ALL = 0.9
_HALF = 0.5
_NO_SERIES = -1
# A service that does not send a metric any more may have been changed.
_FORGOTTEN_NS = 6 * 3600 * SECOND

_KNOWN_FAILED = outcomes.of_own


def _failed_by_mark(attributes: Attributes) -> bool:
    return bool(_KNOWN_FAILED(attributes))


def _always(_: Attributes) -> bool:
    return True


def _never(_: Attributes) -> bool:
    return False


def _outbound(attributes: Attributes) -> bool:
    return attributes.get("dir") != "inbound"


def _received(attributes: Attributes) -> bool:
    return attributes.get("direction") not in {"published", "sent", "outbound"}


@dataclass(frozen=True, slots=True)
class Share:
    """A metric that counts attempts, those that failed, or both. `limit`: the share of failures."""

    what: str
    tried: Callable[[Attributes], bool] = _always
    failed: Callable[[Attributes], bool] = _failed_by_mark
    limit: float = _HALF


# In public networks most addresses that are known lead nowhere.
SHARES: Mapping[str, Share] = {
    "p2p.ping.latency": Share("pings"),
    "p2p.discovery.latency": Share("searches for peers"),
    "p2p.connections.total": Share("connections to peers", failed=_never),
    "p2p.connections.failed": Share("connections to peers", failed=_always),
    "libp2p_swarm_connections_opened_total": Share(
        "dials", tried=_outbound, failed=_never, limit=_NEARLY_ALL
    ),
    "libp2p_swarm_dial_errors_total": Share("dials", failed=_always, limit=_NEARLY_ALL),
    "rpc_outbound_requests_total": Share("requests to the DHT", failed=_never, limit=_NEARLY_ALL),
    "rpc_outbound_request_errors_total": Share(
        "requests to the DHT", tried=_never, failed=_always, limit=_NEARLY_ALL
    ),
}
# How many there are: none is news where there were some.
LEVELS: Mapping[str, str] = {
    "p2p.peers.online": "peers online",
    "p2p.peer.connections": "connections to peers",
    "libp2p_rcmgr_connections": "connections",
}
# What comes all the time: nothing for ten minutes is news where there was some.
FLOWS: Mapping[str, tuple[str, Callable[[Attributes], bool]]] = {
    "p2p.pubsub.messages": ("messages from peers", _received),
    "p2p.ping.latency": ("pings", _always),
    "rpc_inbound_messages_total": ("requests of the DHT", _always),
    "libp2p_network_in_bytes_total": ("data from peers", _always),
}


@dataclass(frozen=True, slots=True)
class Breach:
    """`what` and the words name no number, so that they stay while it lasts. `down`: nothing of it works."""

    service: str
    what: str
    words: str
    detail: str
    metric: str
    since_ns: int
    down: bool


# A service, and its requests and errors a second.
Served = tuple[str, float | None, float | None]


@dataclass(slots=True)
class _Tally:
    tried: float = 0.0
    failed: float = 0.0
    at_ns: int = 0
    began_ns: int | None = None
    limit: float = _HALF
    metric: str = ""

    def fade(self, now_ns: int) -> None:
        by = math.exp(-max(now_ns - self.at_ns, 0) / _MEMORY_NS) if self.at_ns else 1.0
        self.tried, self.failed, self.at_ns = self.tried * by, self.failed * by, now_ns

    @property
    def share(self) -> float:
        return min(self.failed / self.tried, 1.0) if self.tried > 0 else 1.0

    @property
    def is_over(self) -> bool:
        return self.failed >= _LEAST_FAILED and self.share >= self.limit


@dataclass(slots=True)
class _Zero:
    """`above_ns`: when it was last above zero; None where nobody has seen that."""

    metric: str
    above_ns: int | None
    told_ns: int


@dataclass(slots=True)
class _SeenShare:
    """A thing that may be zero, at one look. `told`: something that is alive says so."""

    metric: str
    value: float = 0.0
    last_ns: int = 0
    told: bool = False
    series: list[int] = field(default_factory=list)


class Limits:
    """Remembers when things were last above zero, and the failures of the last minute.

    `last_above` is asked once of each thing that is zero when it is first seen: what was before this run.
    """

    def __init__(self, last_above: LastAbove) -> None:
        self._last_above = last_above
        self._zeros: dict[LimitKey, _Zero] = {}
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._counted: dict[int, int] = {}
        self._looked_ns = 0

    def look(
        self,
        states: StatesBySeries,
        up: AbstractSet[str],
        now_ns: int,
        ours: Ours,
        served: Iterable[Served] = (),
    ) -> list[Breach]:
        """What is beyond a limit of the services that are `up`. `ours`: when nobody could be heard."""
        seen = _seen(states)
        self._remember(seen, now_ns)
        self._tally(states, now_ns)
        self._tally_requests(served, now_ns)
        return [*self._none_left(up, seen, now_ns, ours), *self._failing(up, now_ns)]

    def _remember(self, seen: Mapping[LimitKey, _SeenShare], now_ns: int) -> None:
        new = [key for key, one in seen.items() if one.value <= 0 and key not in self._zeros]
        before = self._last_above([seen[key].series for key in new]) if new else []
        for key, above in zip(new, before, strict=True):
            self._zeros[key] = _Zero(seen[key].metric, above, now_ns)
        for key, one in seen.items():
            known = self._zeros.get(key)
            if known is None:
                known = self._zeros[key] = _Zero(one.metric, None, now_ns)
            known.told_ns = now_ns
            if one.value > 0:
                known.above_ns = one.last_ns
        for known in self._zeros.values():  # nothing was so later than now: the clock went back
            known.above_ns = None if known.above_ns is None else min(known.above_ns, now_ns)
            known.told_ns = min(known.told_ns, now_ns)
        self._zeros = {key: one for key, one in self._zeros.items() if now_ns - one.told_ns < _FORGOTTEN_NS}

    def _none_left(
        self, up: AbstractSet[str], seen: Mapping[LimitKey, _SeenShare], now_ns: int, ours: Ours
    ) -> Iterable[Breach]:
        zero: set[tuple[str, str]] = set()
        for key in sorted(self._zeros):
            service, what, series = key
            one = self._zeros[key]
            is_told = key in seen and seen[key].told
            is_zero = not is_told or seen[key].value <= 0
            if (service and service not in up) or not is_zero or one.above_ns is None:
                continue
            whole = series == _NO_SERIES
            flows = what.startswith(_FLOW)
            patience = _patience(flows=flows or not is_told or not service, whole=whole)
            if now_ns - one.above_ns - ours(one.above_ns, now_ns) < patience or (service, what) in zero:
                continue
            zero.add((service, what))
            yield _none(service, what.removeprefix(_FLOW), one, flows=flows, whole=whole)

    def _tally(self, states: StatesBySeries, now_ns: int) -> None:
        for tally in self._tallies.values():
            tally.fade(now_ns)
        counted = {}
        for state in states.values():
            share = SHARES.get(state.metric)
            if share is None or state.level.guarded:
                continue
            tally = self._tallies.setdefault(
                (_service(state.attributes), share.what), _Tally(at_ns=now_ns, limit=share.limit)
            )
            fresh = 0.0
            for number, stream in state.streams.items():
                counted[number] = stream.last
                if stream.last > self._counted.get(number, now_ns - 2 * _MEMORY_NS):
                    fresh += stream.value
            tally.metric = tally.metric or state.metric
            tally.tried += fresh if share.tried(state.attributes) else 0.0
            if fresh > 0 and share.failed(state.attributes):
                tally.failed += fresh
                tally.metric = state.metric
        self._counted = counted
        kept = {key: one for key, one in self._tallies.items() if one.tried + one.failed > 0.01}  # noqa: PLR2004
        self._tallies = kept

    def _tally_requests(self, served: Iterable[Served], now_ns: int) -> None:
        """Requests have a rate and no events: it counts for the time since the look before."""
        passed = min(max(now_ns - self._looked_ns, 0), _LOOK_NS) / SECOND
        self._looked_ns = now_ns
        for service, rate, errors in served:
            if rate and errors is not None:
                key = (service, REQUESTS)
                tally = self._tallies.setdefault(key, _Tally(at_ns=now_ns, limit=_A_QUARTER))
                tally.tried += rate * passed
                tally.failed += errors * passed

    def _failing(self, up: AbstractSet[str], now_ns: int) -> Iterable[Breach]:
        for (service, what), tally in sorted(self._tallies.items()):
            if not tally.is_over:
                tally.began_ns = None
            elif not service or service in up:
                tally.began_ns = tally.began_ns or now_ns
                yield _fails(service, what, tally)


_FLOW = "no "


def _seen(states: StatesBySeries) -> dict[LimitKey, _SeenShare]:
    """What may be zero: of each service all series of a metric, and of levels each series as well."""
    found: dict[LimitKey, _SeenShare] = {}
    for number, state in states.items():
        service = _service(state.attributes)
        if (
            level := LEVELS.get(state.metric)
        ) is not None and state.level is not PrivacyLevel.HIGHLY_SENSITIVE:
            _add(found, (service, level, _NO_SERIES), number, state)
            if not state.level.guarded:
                _add(found, (service, level, number), number, state)
        if state.metric in FLOWS and not state.level.guarded:
            what, belongs = FLOWS[state.metric]
            if belongs(state.attributes):
                _add(found, (service, _FLOW + what, _NO_SERIES), number, state)
    return found


def _add(found: dict[LimitKey, _SeenShare], key: LimitKey, number: int, state: LiveSeries) -> None:
    one = found.setdefault(key, _SeenShare(state.metric))
    one.value += max(state.now or 0.0, 0.0)
    one.last_ns = max(one.last_ns, state.last_ns)
    one.told = one.told or state.now is not None
    one.series.append(number)


def _service(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("service.name") or "")


def _patience(*, flows: bool, whole: bool) -> int:
    if flows:
        return QUIET_NS
    return ZERO_NS if whole else PART_ZERO_NS


def _none(service: str, what: str, one: _Zero, *, flows: bool, whole: bool) -> Breach:
    of = f"{service}: " if service else ""
    if flows:
        words, detail = f"{of}no {what}", "Nothing came for ten minutes, and there was some before."
    elif not service:
        words, detail = f"No {what} are shown", "There are none any more, or fewer than may be shown."
    elif whole:
        words, detail = f"{of}no {what}", "There were some before."
    else:
        words, detail = f"{of}no {what} of one kind", "There were some of this kind before."
    return Breach(
        service, what, words, detail, one.metric, one.above_ns or 0, whole and not flows and service != ""
    )


def _fails(service: str, what: str, tally: _Tally) -> Breach:
    down = tally.share >= max(_NEARLY_ALL, (1 + tally.limit) / 2)
    of = f"{service}: " if service else ""
    words = f"{of}{'nearly all' if down else 'too many'} {what} fail"
    detail = f"{tally.share:.0%} of them failed in the last minute."
    return Breach(service, what, words, detail, tally.metric, tally.began_ns or 0, down)
