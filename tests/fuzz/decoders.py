"""Turns a seed into inputs for both decoders of all signals, and says what became of them."""

import json
import random
import resource
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message
from tests.core.otlp_json import to_json
from tests.core.support import KEY, Script, histograms, points, table
from tests.fuzz.generate import NOW, REQUESTS, request
from tests.fuzz.mutate import mutated

from blackhole import _core

FOUND = Path(".build/fuzz")
MUTANTS_OF_EACH = 300  # of one generated request, both encodings together
COMPARED = 50  # one mutant in so many is compared with what the official package reads
TABLE_INPUTS = 5_000
FAR = 1 << 63


class FuzzError(AssertionError):
    """What a decoder must not do; the input is kept in a file."""


@dataclass
class Report:
    """`slowest`: seconds of one input; `grown`: bytes by which the peak of resident memory rose."""

    inputs: int = 0
    taken: int = 0
    compared: int = 0
    stricter: int = 0
    slowest: float = 0.0
    grown: int = 0
    seconds: float = 0.0


def decode(signal: str, body: bytes, encoding: str) -> _core.Batch:
    decoder = _core.Decoder(KEY)
    if signal == "metrics":
        return decoder.metrics(body, encoding)
    return (decoder.traces if signal == "traces" else decoder.logs)(body, encoding, NOW)


class Fuzzer:
    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._seed = seed
        self.report = Report()
        self._peak = _peak_memory()
        self._renew()

    def run(self, inputs: int) -> Report:
        """Goes on until `inputs` in all. Raises FuzzError."""
        began = time.monotonic()
        while self.report.inputs < inputs:
            signal = self._chance.choice(list(REQUESTS))
            message = request(signal, self._chance)
            bodies = {"protobuf": message.SerializeToString(), "json": as_json(message, self._chance)}
            self._same(signal, bodies)
            for _ in range(min(MUTANTS_OF_EACH, inputs - self.report.inputs)):
                encoding = self._chance.choice(("protobuf", "json"))
                body = mutated(bodies[encoding], encoding, self._chance)
                self._feed(signal, body, encoding)
                if encoding == "protobuf" and self.report.inputs % COMPARED == 0:
                    self._compare(signal, body)
        self.report.seconds += time.monotonic() - began
        self.report.grown = _peak_memory() - self._peak
        return self.report

    def _renew(self) -> None:
        self._table, self._script = table(max_series=TABLE_INPUTS), Script()

    def _feed(self, signal: str, body: bytes, encoding: str) -> None:
        self.report.inputs += 1
        if self.report.inputs % TABLE_INPUTS == 0:
            self._renew()
        began = time.monotonic()
        try:
            batch = decode(signal, body, encoding)
            outcome = self._table.apply(batch, self._script, now_ns=NOW, oldest_ns=0, newest_ns=FAR - 1)
            outcome.columns.point_stream(), outcome.columns.histogram_stream()
            if outcome.accepted + outcome.rejected > max(batch.points, 0) * 2:
                self._keep(signal, body, encoding, "more points than were sent")
            self.report.taken += 1
        except _core.DecodeError:
            pass
        except BaseException as error:
            self._keep(signal, body, encoding, repr(error)[:200])
            raise
        self.report.slowest = max(self.report.slowest, time.monotonic() - began)

    def _same(self, signal: str, bodies: dict[str, bytes]) -> None:
        """A valid request means the same in both encodings."""
        self.report.compared += 1
        read = {encoding: meaning(signal, body, encoding) for encoding, body in bodies.items()}
        if read["json"] != read["protobuf"]:
            self._keep(signal, bodies["json"], "json", "another meaning than in protobuf")

    def _compare(self, signal: str, body: bytes) -> None:
        """What the official package reads from broken bytes, said in JSON, means what the bytes mean."""
        with suppress(DecodeError):
            message = REQUESTS[signal].FromString(body)
            message.DiscardUnknownFields()
            told = json.dumps(to_json(message)).encode()
            read = self._meaning_of_broken(signal, body)
            if read is None:
                return
            self.report.compared += 1
            if meaning(signal, told, "json") != read:
                self._keep(signal, body, "protobuf", "another meaning than the official package reads")

    def _meaning_of_broken(self, signal: str, body: bytes) -> tuple[Any, ...] | None:
        try:
            return meaning(signal, body, "protobuf")
        except _core.DecodeError:
            self.report.stricter += 1
            return None

    def _keep(self, signal: str, body: bytes, encoding: str, why: str) -> None:
        FOUND.mkdir(parents=True, exist_ok=True)
        file = FOUND / f"{signal}-{encoding}-{self._seed}-{self.report.inputs}"
        file.write_bytes(body)
        raise FuzzError(f"{why}: input {self.report.inputs} of seed {self._seed}, kept in {file}")


def as_json(message: Message, chance: random.Random) -> bytes:
    """OTLP's JSON, with 64-bit integers as strings or as numbers."""
    text = json.dumps(to_json(message), ensure_ascii=chance.random() < 0.5)
    return text.encode()


def meaning(signal: str, body: bytes, encoding: str) -> tuple[Any, ...]:
    """All that comes of a request, in an order of its own."""
    script = Script()
    batch = decode(signal, body, encoding)
    outcome = table().apply(batch, script, now_ns=NOW, oldest_ns=0, newest_ns=FAR - 1)
    series = {
        number: repr((new.key, new.metric, new.unit, new.kind, new.attributes, new.resource, new.scope))
        for number, new in enumerate(script.seen, 1)
    }
    named = _named(points(outcome), series), _named(histograms(outcome), series)
    counts = batch.points, outcome.accepted, outcome.rejected, sorted(outcome.refusals)
    return counts, sorted(series.values()), named


def _named(rows: Sequence[dict[str, Any]], series: dict[int, str]) -> list[str]:
    return sorted(repr({**row, "series": series[row["series"]], "stream": 0}) for row in rows)


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
