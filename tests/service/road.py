"""The real write path (decoder, guard, writer) by a clock that the test sets."""

from collections.abc import Sequence

from blackhole.catalogue.load import Catalogue
from blackhole.config import Config
from blackhole.decode import Decoder
from blackhole.guard.engine import Guard, Refusal, StoredState
from blackhole.model.signals import Encoding, Payload, Signal
from blackhole.privacy.ledger import Clocks
from blackhole.store.database import Database
from blackhole.store.writer import Writer


class Clock:
    """Nanoseconds since the epoch."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Road:
    """What a running service does with requests, without its ports. `database` goes by the same clock."""

    def __init__(self, database: Database, catalogue: Catalogue, config: Config, clock: Clock) -> None:
        self.clock = clock
        self._guard = Guard(
            catalogue,
            config,
            StoredState.of(database, database.find),
            Clocks(clock),
        )
        self._decoder = Decoder(database.key, clock_ns=clock)
        self._writer = Writer(database, commit_wait=0, batch_size=1, max_pending_rows=10**7)
        self._writer.start()

    def send(self, signal: Signal, body: bytes, at: int) -> Sequence[Refusal]:
        """Returns when it is committed, as if it had arrived `at` that moment."""
        self.clock.now = at
        batch = self._decoder.decode(Payload(signal, Encoding.PROTOBUF, body))
        judged = self._guard.judge(batch, repeatable=signal is Signal.METRICS)
        self._writer.submit(judged.batch).result(60)
        return judged.refusals

    def close(self) -> None:
        self._writer.close(10)
