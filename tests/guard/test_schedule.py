"""Rows, orders and times of closed windows come from the schedule and the catalogue, whatever came."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.guard.guarded import SECOND, START, Private, metric, rows

from blackhole.guard.windows import GRACE_NS
from blackhole.model.batch import GuardedBatch
from blackhole.model.ledger import LedgerRow, ReleaseRow
from blackhole.model.series import SeriesRow

SECRETS = ("count", "level", "heat", "time", "events", "delays")
# What is drawn anew for each release, or follows from it.
RANDOM = {"hash", "previous"}

Sender = Callable[[Private], None]


def nobody(_: Private) -> None:
    """Nothing comes."""


def one(private: Private) -> None:
    private.send(metric("secret.count", [({"user.id": "alice", "kind": "b"}, 1.0)]))


def many(private: Private) -> None:
    """All metrics, all groups, in another order than the catalogue's; some of it wrong."""
    people: list[tuple[dict[str, str], Any]] = [
        ({"user.id": f"u{n}", "kind": "xba"[n % 3]}, 1.0) for n in range(300)
    ]
    spread = [(attributes, ([10.0], [1, 2])) for attributes, _ in people]
    for kind in reversed(SECRETS):
        is_histogram = kind in {"time", "delays"}
        private.send(metric(f"secret.{kind}", spread if is_histogram else people, time=lambda n: START + n))
        private.send(metric(f"secret.{kind}", people[:3], time=1))


def full(private: Private) -> None:
    many(private)
    for block in range(21):
        users = [({"user.id": f"v{block * 10_000 + n}"}, 1.0) for n in range(10_000)]
        private.send(metric("secret.heat", users))


def late(private: Private) -> None:
    """Somebody's request comes first after the end of the window, and closes it."""
    private.now += 10 * SECOND + 123_456
    one(private)
    private.now -= 10 * SECOND + 123_456


def visible(batch: GuardedBatch, private: Private) -> dict[str, Any]:
    """All of a batch but the values themselves."""
    return {
        "points": [private.series[series] for series, _ in rows(batch)],
        "lists": [
            (private.series[one.series], one.time_ns, one.bounds, len(one.noisy)) for one in batch.lists
        ],
        "created": batch.created_us,
        "series": batch.series,
        "streams": batch.streams,
        "ledger": [_without(row) for row in batch.entry.ledger],
        "releases": [_without(row) for row in batch.entry.releases],
    }


def of_secrets(series: Iterable[SeriesRow]) -> list[SeriesRow]:
    """The built-in catalogue has metrics of its own."""
    return [row for row in series if row.metric.startswith("secret.")]


def _without(row: LedgerRow | ReleaseRow) -> dict[str, Any]:
    return {key: value for key, value in msgspec.to_builtins(row).items() if key not in RANDOM}


def windows(directory: Path, senders: Iterable[Sender]) -> list[dict[str, Any]]:
    """What three windows give out, something else having come in each."""
    directory.mkdir()
    private = Private(directory)
    seen = []
    for sender in senders:
        sender(private)
        private.now += 10 * SECOND + GRACE_NS
        seen += [visible(batch, private) for batch in private.take()]
        private.now -= GRACE_NS
    return seen


@pytest.mark.parametrize("sender", [one, many, late])
def test_highly_sensitive_windows_show_the_same_rows_whatever_came(tmp_path: Path, sender: Sender) -> None:
    empty = windows(tmp_path / "empty", [nobody, nobody, nobody])
    assert [len(of_secrets(window["points"])) for window in empty] == [9, 9, 9]
    assert [len(window["lists"]) for window in empty] == [9, 9, 9]
    assert windows(tmp_path / "other", [nobody, sender, sender]) == empty


def test_a_full_table_of_units_closes_the_window_of_its_metric_and_no_other(tmp_path: Path) -> None:
    empty, overflown = windows(tmp_path / "a", [nobody]), windows(tmp_path / "b", [full])
    assert len(empty) == len(overflown) == 1
    numbers = {"secret.count", "secret.level", "secret.events"}
    assert {series.metric for series in of_secrets(overflown[0]["points"])} == numbers
    absent = {one.metric for one, *_ in empty[0]["lists"]} - {one.metric for one, *_ in overflown[0]["lists"]}
    assert absent == {"secret.heat"}
    assert overflown[0]["ledger"] == empty[0]["ledger"]


def test_times_of_a_window_are_those_of_the_schedule(tmp_path: Path) -> None:
    [window] = windows(tmp_path / "x", [late])
    end = START + 10 * SECOND
    assert {row["time_ns"] for row in window["ledger"]} == {end}
    assert {row["created_us"] for row in window["releases"]} == {window["created"]} == {end // 1000 + 1}


def test_rows_of_a_sensitive_window_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    people = [({"user.id": f"u{n}", "kind": "xba"[n % 3]}, 1.0) for n in range(30)]
    seen = []
    for number, order in enumerate((people, people[::-1], people[1:] + people[:1])):
        (tmp_path / f"{number}").mkdir()
        private = Private(tmp_path / f"{number}")
        names = ("shared.count", "shared.named.count", "shared.events")
        for name in names if number % 2 else names[::-1]:
            private.send(metric(name, order))
        batches = [batch for batch in private.close() if not batch.entry.ledger]
        seen.append([(private.series[series], value) for batch in batches for series, value in rows(batch)])
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 9


def test_services_that_send_nothing_but_private_metrics_fill_no_cap_of_open_ones(tmp_path: Path) -> None:
    private = Private(tmp_path, max_values_per_key=3)
    for number in range(9):
        user = {"user.id": f"u{number}"}
        private.send(metric("shared.count", [(user, 1.0)]), resource={"service.name": f"hidden{number}"})
    private.send(metric("open.count", [({"kind": "a"}, 1.0)]), resource={"service.name": "seen"})
    assert {row.attributes for row in private.series.values() if row.metric == "open.count"} == {
        '{"kind":"a","service.name":"seen"}'
    }
