import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from blackhole.config import Config
from blackhole.governor.monitor import (
    CLOSE_AT,
    HOLD_AT,
    LEAST_FREE,
    LOOK_EVERY_S,
    QUESTION_TRIM_EVERY_S,
    SLACK,
    YIELD_AT,
    Gauges,
    GovernorState,
    Levers,
    Monitor,
    disk_bytes,
    free_bytes,
    resident,
)
from blackhole.governor.sampling import Sampler

CONFIG = Config()
LIMIT = CONFIG.max_memory_usage


@dataclass
class Machine:
    """What the gauges read, and what became of the levers."""

    now: float = 0.0
    cpu: float = 0.0
    memory: float = 0.5
    disk: int = 0
    free: int = 10 * LEAST_FREE
    database: int = 0
    used: int = 0
    pressure: tuple[int, int] = (0, 0)
    trimmed_to: float | None = None
    held: list[bool] = field(default_factory=list)
    made_room: int = 0
    room_helps: bool = False
    looks: int = 0

    def monitor(self) -> Monitor:
        self.sampler = Sampler()
        gauges = Gauges(
            cpu=lambda: self.cpu,
            memory=self._memory,
            disk=lambda: self.disk,
            free=lambda: self.free,
            database=lambda: self.database,
            used=lambda: self.used,
        )
        levers = Levers(
            pressure=lambda: self.pressure,
            hold=self.held.append,
            make_room=self._make_room,
            trim=self._trim,
        )
        return Monitor(CONFIG, gauges, levers, self.sampler, clock=lambda: self.now)

    def tick(self, monitor: Monitor, cpu: float = 0.0) -> None:
        self.now += 10
        self.cpu += cpu
        monitor.tick()

    def _memory(self) -> int:
        self.looks += 1
        return round(self.memory * LIMIT)

    def _trim(self) -> None:
        self.memory = self.memory if self.trimmed_to is None else self.trimmed_to

    def _make_room(self) -> None:
        self.made_room += 1
        if self.room_helps:
            self.disk = self.used = 0


def test_within_the_limits_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    monitor = machine.monitor()
    for _ in range(5):
        machine.tick(monitor, cpu=0.1)
        assert monitor.closed() is None
    assert (machine.sampler.shown, machine.held, machine.made_room) == (1.0, [], 0)
    assert caplog.records == []


def test_a_burst_that_the_bucket_holds_is_no_reason_to_sample() -> None:
    machine = Machine()
    monitor = machine.monitor()
    machine.tick(monitor, cpu=1.0)
    assert monitor.cpu_percent == pytest.approx(10.0)
    assert (monitor.state, machine.sampler.shown) == (GovernorState.WELL, 1.0)


def test_cpu_beyond_its_limit_halves_the_rate_and_the_rate_comes_back() -> None:
    machine = Machine(pressure=(3, 1))
    monitor = machine.monitor()
    machine.tick(monitor, cpu=1.0)
    assert (monitor.state, machine.sampler.shown) == (GovernorState.SLOWING, 0.5)
    assert monitor.closed() is None
    machine.pressure = (0, 0)
    for _ in range(8):
        machine.tick(monitor)
    assert (monitor.state, machine.sampler.shown) == (GovernorState.WELL, 1.0)


@pytest.mark.parametrize("pressure", [(1, 0), (0, 1)])
def test_senders_that_had_to_wait_are_pressure_though_the_cpu_is_held(pressure: tuple[int, int]) -> None:
    machine = Machine(pressure=pressure)
    monitor = machine.monitor()
    machine.tick(monitor, cpu=0.49)
    assert (monitor.state, machine.sampler.shown) == (GovernorState.SLOWING, 0.5)


def test_near_the_memory_limit_new_series_are_refused_and_the_rest_goes_on() -> None:
    machine = Machine(memory=HOLD_AT + 0.01)
    monitor = machine.monitor()
    assert monitor.closed() is None
    assert machine.held == [True]
    machine.memory = 0.7
    machine.now += 1
    assert monitor.closed() is None
    assert machine.held == [True, False]


def test_at_the_memory_limit_senders_are_sent_away_until_there_is_room_again() -> None:
    machine = Machine(memory=CLOSE_AT + 0.01)
    monitor = machine.monitor()
    assert "max_memory_usage" in str(monitor.closed())
    machine.now += 1
    machine.memory = CLOSE_AT - 0.01
    assert monitor.closed() is not None, "it does not flutter"
    machine.now += 1
    machine.memory = 0.5
    assert monitor.closed() is None


def test_memory_that_was_freed_is_given_back_before_anybody_is_refused() -> None:
    machine = Machine(memory=0.99, trimmed_to=0.5)
    monitor = machine.monitor()
    assert monitor.closed() is None
    assert machine.held == []


def test_the_memory_is_not_looked_at_for_every_request() -> None:
    machine = Machine()
    monitor = machine.monitor()
    for _ in range(1000):
        machine.now += LOOK_EVERY_S / 100
        monitor.closed()
    assert machine.looks <= 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"disk": CONFIG.max_disk_usage + 1}, "max_disk_usage (2GiB)"),
        ({"database": 2 * CONFIG.max_database_size, "used": 2 * CONFIG.max_database_size}, "1GiB"),
        ({"free": LEAST_FREE - 1}, "the disk is full"),
    ],
)
def test_without_room_on_disk_data_is_refused_with_the_reason(change: dict[str, int], words: str) -> None:
    machine = Machine(**change)  # type: ignore[arg-type]
    monitor = machine.monitor()
    machine.tick(monitor)
    assert words in str(monitor.closed())
    assert (monitor.state, machine.made_room) == (GovernorState.NO_DISK, 1)
    for _ in range(3):
        machine.tick(monitor)
    assert machine.made_room == 1, "not at every tick"


def test_deleting_what_may_go_comes_before_refusing() -> None:
    machine = Machine(disk=CONFIG.max_disk_usage + 1, room_helps=True)
    monitor = machine.monitor()
    machine.tick(monitor)
    assert (monitor.closed(), machine.made_room) == (None, 1)


def test_a_large_file_with_room_inside_is_no_problem() -> None:
    machine = Machine(database=2 * CONFIG.max_database_size, used=1000)
    monitor = machine.monitor()
    machine.tick(monitor)
    assert monitor.closed() is None


def test_one_line_is_logged_for_each_change_and_none_in_between(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = Machine()
    monitor = machine.monitor()
    for waited in (0, 9, 9, 9, 0, 0):
        machine.pressure = (waited, 0)
        machine.tick(monitor, cpu=0.5)
        monitor.closed()
    words = [record.getMessage() for record in caplog.records]
    assert len(words) == 2
    assert "at max_cpu_usage" in words[0]
    assert "within its limits again" in words[1]


def test_the_real_gauges_read_something(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    (tmp_path / "a.duckdb.tmp").mkdir()
    for path, size in (
        (database, 100),
        (tmp_path / "a.duckdb.wal", 20),
        (tmp_path / "a.duckdb.tmp" / "t", 3),
    ):
        path.write_bytes(bytes(size))
    (tmp_path / "other").write_bytes(bytes(1000))
    assert disk_bytes(database) == 123
    assert disk_bytes(tmp_path / "missing" / "a.duckdb") == 0
    assert free_bytes(tmp_path) > 0
    assert 2**20 < resident()() < 2**40


@pytest.mark.parametrize(
    ("share", "trimmed_to", "short"), [(0.79, None, False), (0.81, None, True), (0.81, 0.79, False)]
)
def test_questions_yield_before_anything_of_senders_is_refused(
    share: float, trimmed_to: float | None, *, short: bool
) -> None:
    machine = Machine(memory=share, trimmed_to=trimmed_to)
    monitor = machine.monitor()
    assert monitor.short_of_memory() is short
    assert monitor.closed() is None
    assert machine.held == []
    assert YIELD_AT < HOLD_AT - SLACK


def test_memory_is_given_back_again_only_after_a_while() -> None:
    machine = Machine(memory=0.9)
    monitor = machine.monitor()
    assert monitor.short_of_memory()
    machine.trimmed_to = 0.5
    assert monitor.short_of_memory()
    machine.now += QUESTION_TRIM_EVERY_S
    assert not monitor.short_of_memory()
