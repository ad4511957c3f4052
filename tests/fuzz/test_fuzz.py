"""A short run of `make fuzz`, and a proof that it would notice."""

import random

import pytest
from tests.core.wire import field, split
from tests.fuzz import decoders
from tests.fuzz.decoders import Fuzzer, FuzzError
from tests.fuzz.generate import REQUESTS, request
from tests.fuzz.mutate import fields, mutated

INPUTS = 12_000


def test_broken_inputs_of_all_signals_are_answered_soon_and_in_little_memory() -> None:
    report = Fuzzer(seed=7).run(INPUTS)
    assert report.inputs == INPUTS
    assert 0.1 * INPUTS < report.taken < 0.9 * INPUTS, "inputs must be both: requests, and not"
    assert report.compared > 50
    assert report.slowest < 2.0
    assert report.grown < 150 * 2**20


def test_a_difference_between_the_encodings_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(decoders, "as_json", lambda *_: b'{"resourceLogs":[],"resourceSpans":[]}')
    monkeypatch.setattr(decoders, "FOUND", tmp_path_factory.mktemp("found"))
    with pytest.raises(FuzzError, match=r"another meaning than in protobuf: input \d+ of seed 7"):
        Fuzzer(seed=7).run(1000)


def test_a_seed_always_gives_the_same_inputs() -> None:
    made = [
        [mutated(request("metrics", chance).SerializeToString(), "protobuf", chance) for _ in range(20)]
        for chance in (random.Random(3), random.Random(3))
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("signal", sorted(REQUESTS))
def test_changed_fields_leave_the_message_whole(signal: str) -> None:
    """Lengths around a changed field are mended, so that the walk goes on behind it."""
    chance = random.Random(5)
    body = request(signal, chance).SerializeToString() + field(1000, b"end")
    whole = 0
    for _ in range(200):
        changed = fields(body, chance)
        try:
            whole += b"end" in [value for number, _, value in split(changed) if number == 1000]
        except IndexError:
            continue
    assert whole > 100
