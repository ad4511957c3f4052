"""The guard end to end: OTLP bytes in, rows and reasons out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from blackhole import _core
from blackhole.catalogue.definition import Definition
from blackhole.catalogue.load import Catalogue, load
from blackhole.config import Config, Duration
from blackhole.guard.engine import Guard, Judgement, StoredState
from blackhole.guard.resolver import MOST_UNITS
from blackhole.model.batch import GuardedBatch
from blackhole.model.series import MetricType, SeriesRow, StreamState
from blackhole.privacy.ledger import Clocks

SECOND = 10**9
START = 1_800_000_000 * SECOND
OPEN_ENTRY = Definition("open", "d", MetricType.COUNTER, "1", "internal", "to be counted")
PEERS = [f"12D3KooW{i:044d}" for i in range(1, 50)]


class Service:
    """A guard with a clock of its own and no store behind it."""

    def __init__(self, **settings: Any) -> None:
        self.now = START
        self.states: dict[bytes, StreamState] = {}
        self.catalogue: Catalogue = load()
        self.guard = Guard(
            self.catalogue,
            Config(sensitive_window=Duration(10), **settings),
            StoredState(START - SECOND, recall=self._recall),
            Clocks(lambda: self.now, lambda: self.now),
        )
        self.rows: dict[int, SeriesRow] = {}

    def _recall(self, keys: Sequence[bytes], kins: Sequence[int] = ()) -> Mapping[bytes, StreamState]:
        del kins
        return {key: self.states[key] for key in keys if key in self.states}

    def send(self, request: ExportMetricsServiceRequest) -> Judgement:
        batch = _core.Decoder(bytes(16)).metrics(request.SerializeToString(), "protobuf")
        judgement = self.guard.judge(batch)
        self.learn(judgement.batch)
        return judgement

    def learn(self, batch: GuardedBatch) -> None:
        self.rows.update({row.id: row for row in batch.series})

    def learn_all(self, batches: Sequence[GuardedBatch]) -> list[tuple[str, str, float]]:
        for batch in batches:
            self.learn(batch)
        return [point for batch in batches for point in self.points(batch)]

    def points(self, batch: GuardedBatch) -> list[tuple[str, str, float]]:
        """(metric, attributes, value) of the number points, sorted."""
        if not batch.rows.points:
            return []
        connection = duckdb.connect()
        connection.register("incoming", batch.rows.point_stream())
        found = connection.execute("SELECT series, value FROM incoming").fetchall()
        return sorted((self.rows[s].metric, self.rows[s].attributes, v) for s, v in found)

    def close(self) -> list[tuple[str, str, float]]:
        self.now = max(self.now, self.guard.window_end_ns)
        batch = self.guard.close_window()
        if batch is None:
            return []
        self.learn(batch)
        return self.points(batch)


def request(
    name: str,
    points: Sequence[tuple[Mapping[str, Any], float]],
    *,
    kind: str = "sum",
    unit: str = "1",
    time: int = START,
    service: str = "node",
    monotonic: bool = True,
    description: str = "",
) -> ExportMetricsServiceRequest:
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    metric = resource.scope_metrics.add().metrics.add(name=name, unit=unit, description=description)
    if kind == "sum":
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        metric.sum.is_monotonic = monotonic
    data = metric.sum.data_points if kind == "sum" else metric.gauge.data_points
    for attributes, value in points:
        point = data.add(time_unix_nano=time, as_double=value)
        for key, text in attributes.items():
            point.attributes.add(key=key).value.string_value = text
    return message


@pytest.fixture
def service() -> Service:
    return Service()


def test_an_open_metric_is_stored_with_the_attributes_of_its_entry(service: Service) -> None:
    judged = service.send(
        request("p2p.connections.total", [({"peer_type": "local", "peer.id": PEERS[0]}, 3.0)], unit="1")
    )
    assert judged.accepted == 1
    assert judged.verdict.rejected == 0
    assert service.points(judged.batch) == [
        ("p2p.connections.total", '{"peer_type":"local","service.name":"node"}', 3.0)
    ]


def test_a_metric_outside_the_catalogue_is_refused_by_name_with_reason_and_remedy(service: Service) -> None:
    judged = service.send(request("who.knows", [({}, 1.0), ({"a": "b"}, 2.0)]))
    assert judged.accepted == 0
    assert judged.verdict.rejected == 2
    assert "who.knows (2): not in the catalogue: add an entry" in judged.verdict.message


def test_a_refused_name_that_holds_an_identity_is_not_repeated(service: Service) -> None:
    judged = service.send(request(f"peer.{PEERS[0]}.seen", [({}, 1.0)], description=PEERS[1]))
    assert judged.verdict.rejected == 1
    assert "12D3" not in judged.verdict.message
    assert all("12D3" not in refusal.metric for refusal in judged.refusals)


def test_at_most_five_metrics_are_named(service: Service) -> None:
    message = ExportMetricsServiceRequest()
    for i in range(9):
        message.MergeFrom(request(f"unknown.number{i}x", [({}, 1.0)]))
    judged = service.send(message)
    assert judged.verdict.rejected == 9
    assert judged.verdict.message.count("not in the catalogue") == 5
    assert "and 4 more metrics" in judged.verdict.message


def test_a_highly_sensitive_metric_is_taken_and_nothing_of_it_is_a_row_before_its_window_closes(
    service: Service,
) -> None:
    judged = service.send(request("content.operations", [({"type": "upload", "user.id": "u"}, 1.0)]))
    assert (judged.accepted, judged.guarded, judged.verdict.rejected) == (0, True, 0)
    assert judged.is_empty
    assert service.close() == []


def test_a_type_that_the_catalogue_does_not_have_is_refused(service: Service) -> None:
    judged = service.send(request("p2p.connections.total", [({}, 1.0)], kind="gauge"))
    assert "another type" in judged.verdict.message


def test_a_level_may_be_sent_as_an_updowncounter_where_the_catalogue_has_a_gauge(service: Service) -> None:
    assert (
        service.send(request("process.memory.usage", [({}, 1.0)], unit="By", monotonic=False)).accepted == 1
    )
    assert service.send(request("process.memory.usage", [({}, 1.0)], unit="By")).verdict.rejected == 1


def test_another_unit_is_a_warning_and_not_a_refusal(service: Service) -> None:
    judged = service.send(request("p2p.connections.total", [({}, 1.0)], unit="By"))
    assert judged.accepted == 1
    assert judged.verdict.rejected == 0
    assert judged.verdict.message.startswith("warning:")


def test_a_unit_that_names_somebody_is_stored_and_repeated_as_redacted(service: Service) -> None:
    judged = service.send(request("p2p.connections.total", [({}, 1.0)], unit=PEERS[0]))
    assert judged.accepted == 1
    assert [row.unit for row in judged.batch.series] == ["redacted"]
    assert PEERS[0] not in judged.verdict.message


def test_a_guarded_metric_is_stored_in_the_unit_of_its_entry_whatever_was_sent(service: Service) -> None:
    for number, unit in enumerate(("1", "By", PEERS[0])):
        service.send(request(SENSITIVE, [({"peer_type": "local", "peer.id": PEERS[number]}, 1.0)], unit=unit))
    service.send(request(SENSITIVE, peers(8, "network", 1.0)))
    service.close()
    assert {row.unit for row in service.rows.values()} == {"connections"}


def test_a_peer_that_writes_its_unit_in_many_ways_still_counts_once(service: Service) -> None:
    for unit in ("1", "By", "ms"):
        service.send(request(SENSITIVE, peers(8, "local", 1e6), unit=unit))
    sums = service.close()
    service.send(request(SENSITIVE, peers(8, "local", 1e6), time=START + 1))
    assert [value for *_, value in sums] == [value for *_, value in service.close()]


def test_a_metric_in_ever_more_units_is_refused(service: Service) -> None:
    verdicts = [
        service.send(request("p2p.connections.total", [({}, 1.0)], unit=f"u{number}")).verdict
        for number in range(30)
    ]
    assert [verdict.rejected for verdict in verdicts] == [0] * MOST_UNITS + [1] * (30 - MOST_UNITS)
    assert "more units" in verdicts[-1].message


def test_a_name_by_pattern_must_be_a_plain_word(service: Service) -> None:
    assert service.send(request("identity.requests.total", [({}, 1.0)])).accepted == 1
    assert service.send(request(f"{PEERS[0]}.requests.total", [({}, 1.0)])).verdict.rejected == 1


def peers(count: int, kind: str, value: float = 100.0) -> list[tuple[dict[str, str], float]]:
    return [({"peer_type": kind, "peer.id": peer}, value) for peer in PEERS[:count]]


SENSITIVE = "p2p.peer.connections"


def test_nothing_of_a_sensitive_metric_is_a_row_before_its_window_closes(service: Service) -> None:
    judged = service.send(request(SENSITIVE, peers(8, "local", 1.0)))
    assert judged.batch.rows.points == 0
    assert judged.accepted == 0
    assert judged.verdict.rejected == 0
    assert judged.batch.series == ()


def test_a_group_of_at_least_k_units_is_released_without_ids(service: Service) -> None:
    service.send(request(SENSITIVE, peers(8, "local", 1.0)))
    released = service.close()
    assert [(m, v) for m, _, v in released] == [(SENSITIVE, 8.0)]
    assert "12D3" not in str(released)
    assert service.close() == []


def test_fewer_than_k_units_are_withheld(service: Service) -> None:
    service.send(request(SENSITIVE, peers(4, "local", 1.0)))
    assert service.close() == []


def test_a_small_group_is_folded_into_other_with_enough_company(service: Service) -> None:
    service.send(request(SENSITIVE, peers(9, "local", 1.0)))
    service.send(request(SENSITIVE, peers(3, "bootstrap", 1.0)))
    released = service.close()
    assert len(released) == 1  # the small group cannot be had by subtraction
    assert '"peer_type":"other"' in released[0][1]


def test_the_same_peer_twice_is_one_unit(service: Service) -> None:
    for second in range(10):
        service.send(request(SENSITIVE, peers(4, "local", 1.0), time=START + second))
    assert service.close() == []


def test_a_window_is_named_once_even_over_a_restart() -> None:
    starts: list[int] = []
    for restart in range(3):
        service = Service()
        service.now = START + restart
        service.guard = Guard(
            service.catalogue,
            Config(sensitive_window=Duration(10)),
            StoredState(START if restart == 0 else START - 1),
            Clocks(clock(service)),
        )
        starts.append(service.guard.window_end_ns)
        service.guard.close_window()
    assert starts[0] < starts[1]


def clock(service: Service) -> Callable[[], int]:
    return lambda: service.now


def test_windows_follow_arrival_and_not_the_senders_time(service: Service) -> None:
    service.send(request(SENSITIVE, peers(8, "local", 1.0), time=START - 3600 * SECOND))
    assert [v for _, _, v in service.close()] == [8.0]


def test_a_stream_is_new_to_the_store_with_its_first_row(service: Service) -> None:
    """One that is refused at first has not begun: after a restart its first value is still a first value."""
    name, too_new = "p2p.connections.total", START + 3600 * SECOND
    refused = service.send(request(name, [({}, 1.0)], time=too_new))
    assert (refused.accepted, refused.batch.streams) == (0, ())
    taken = service.send(request(name, [({}, 1.0)]))
    assert [stream.id for stream in taken.batch.streams] == [1]
    assert service.send(request(name, [({}, 1.0)], time=START + 1)).batch.streams == ()


def test_a_new_guard_numbers_series_after_those_of_the_store() -> None:
    service = Service()
    service.send(request("p2p.connections.total", [({}, 1.0)]))
    known = tuple(service.rows.values())
    again = Guard(
        service.catalogue,
        Config(),
        StoredState(START, series=known, next_stream=7),
        Clocks(lambda: START),
    )
    batch = _core.Decoder(bytes(16)).metrics(
        request("p2p.connections.total", [({}, 1.0), ({"peer_type": "local"}, 1.0)]).SerializeToString(),
        "protobuf",
    )
    judged = again.judge(batch)
    assert [row.id for row in judged.batch.series] == [known[0].id + 1]
    assert [row.id for row in judged.batch.streams] == [7, 8]


def test_a_batch_and_its_series_show_nothing_in_repr(service: Service) -> None:
    batch = _core.Decoder(bytes(16)).metrics(
        request(SENSITIVE, peers(3, "local")).SerializeToString(), "protobuf"
    )
    assert "12D3" not in repr(batch)
    assert "12D3" not in repr(service.guard.judge(batch))


def test_another_catalogue_leaves_the_window_of_released_metrics_and_its_groups_as_they_are() -> None:
    service = Service(privacy_budget=10_000.0)
    service.now += 24 * 3600 * SECOND  # the run of a new database begins with the next window
    service.learn_all(service.guard.take_closed())
    upload = {"type": "upload"}
    sent = [upload | {"user.id": f"u{number}"} for number in range(40)]
    service.send(request("content.operations", [(point, 1.0) for point in sent[:20]]))
    assert service.send(request("shop.sales", [({}, 1.0)])).verdict.rejected == 1
    sales = msgspec.structs.replace(OPEN_ENTRY, name="shop.sales")
    assert service.guard.close_window() is None
    service.guard.recatalogue(Catalogue([*((entry, "") for entry in service.catalogue), (sales, "mine")]))
    assert service.send(request("shop.sales", [({}, 1.0)])).accepted == 1
    service.send(request("content.operations", [(point, 1.0) for point in sent[20:]]))
    released = service.learn_all(service.guard.stop())
    counts = {attributes: value for metric, attributes, value in released if metric == "content.operations"}
    groups = ("delete", "download", "other", "share", "upload")
    assert sorted(counts) == [f'{{"type":"{group}"}}' for group in groups]
    assert counts['{"type":"upload"}'] == pytest.approx(40, abs=5)
    assert counts['{"type":"share"}'] == pytest.approx(0, abs=5)
    assert {metric for metric, _, _ in released} >= {"user.active", "identity.operations"}
