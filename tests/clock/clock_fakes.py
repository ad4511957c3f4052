"""Clocks that a test moves by hand."""

from dataclasses import dataclass, field

from blackhole.runtime.clock import Clock, Memory

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
NOON = 1_800_000_000 * SECOND


@dataclass
class Machine:
    """A machine with a wall clock that is set, a clock since boot that is not, and a disk."""

    wall: int = NOON
    boot: int = 5 * HOUR
    synchronised: bool = False
    disk: Memory | None = None
    kept: list[Memory] = field(default_factory=list)

    def passes(self, length: int) -> None:
        self.wall += length
        self.boot += length

    def start(self, newest: int | None = None) -> Clock:
        return Clock(
            self.disk,
            newest_ns=newest,
            keep=self._keep,
            wall=lambda: self.wall,
            boot=lambda: self.boot,
            synchronised=lambda: self.synchronised,
        )

    def _keep(self, memory: Memory) -> None:
        self.disk = memory
        self.kept.append(memory)
