"""Whatever happens in whatever order, the database holds what a dictionary would."""

import os
from pathlib import Path

import pytest
from tests.store.model import Machine

STEPS = int(os.environ.get("BLACKHOLE_MODEL_STEPS", "300"))
A_LIFE = 100


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(max(STEPS // A_LIFE, 1)))
def test_commits_chores_and_crashes_lose_nothing_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    machine = Machine(tmp_path, seed)
    try:
        for _ in range(A_LIFE):
            machine.step()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, after {machine.done}") from error
    finally:
        machine.close()
