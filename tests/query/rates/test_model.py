"""The kernel says what the plain model says: on the worked cases, and on as many random ones as one likes."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.query.rates import drawing, feeding, model

CASES: list[model.Case] = json.loads((Path(__file__).parent / "cases.json").read_text())
DRAWN = int(os.environ.get("BLACKHOLE_RATES", "500"))
AT_ONCE = 50
NEAR = 1e-9


def differ(found: Sequence[model.Bucket], expected: Sequence[model.Bucket]) -> str:
    """What is wrong with an answer; nothing where it is right within 1e-9 of its largest value."""
    if [(at, flags) for at, _, flags in found] != [(at, flags) for at, _, flags in expected]:
        return f"buckets {found} are not {expected}"
    near = NEAR * max((abs(value) for _, value, _ in expected), default=0)
    pairs = zip(found, expected, strict=True)
    wrong = [(one, other) for one, other in pairs if abs(one[1] - other[1]) > near]
    return f"values differ: {wrong}" if wrong else ""


def compare(fold_answer: tuple[Sequence[model.Bucket], float | None], case: model.Case) -> str:
    (found, now), (expected, expected_now) = fold_answer, model.answer(case)
    if text := differ(found, expected):
        return text
    if case["aggregation"] != "rate" or now == expected_now:
        return ""
    near = (
        now is not None and expected_now is not None and abs(now - expected_now) <= NEAR * abs(expected_now)
    )
    return "" if near else f"now {now} is not {expected_now}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_worked_case_has_its_worked_answer(case: model.Case) -> None:
    answer, now = model.answer(case)
    assert [list(one) for one in answer] == case["answer"]
    assert now == case["now_value"]
    fold = feeding.fold_of(case)
    feeding.feed(fold, case)
    assert compare(feeding.answers(fold, case)[0], case) == ""


@pytest.mark.parametrize("seed", range(0, DRAWN, AT_ONCE))
def test_random_streams_have_the_plain_model_s_answer(seed: int) -> None:
    for one in range(seed, seed + AT_ONCE):
        case = drawing.case(one)
        fold = feeding.fold_of(case)
        feeding.feed(fold, case)
        assert compare(feeding.answers(fold, case)[0], case) == "", f"seed {one}"


@pytest.mark.parametrize("seed", [2910, 6611, 16242])
def test_what_was_found_among_many_stays_right(seed: int) -> None:
    """After a late increment the row before is the latest; of great levels that are gone nothing is left."""
    case = drawing.case(seed)
    fold = feeding.fold_of(case)
    feeding.feed(fold, case)
    assert compare(feeding.answers(fold, case)[0], case) == ""


@pytest.mark.parametrize("seed", range(0, DRAWN // 10, AT_ONCE))
def test_groups_do_not_touch_each_other(seed: int) -> None:
    for one in range(seed, seed + AT_ONCE):
        case = drawing.case(one)
        others = [case, drawing.beside(case, one + 10**6), drawing.beside(case, one + 2 * 10**6)]
        fold = feeding.fold_of(case, groups=3)
        for group, other in enumerate(others):
            feeding.feed(fold, other, group)
        for found, other in zip(feeding.answers(fold, case, groups=3), others, strict=True):
            assert compare(found, other) == "", f"seed {one}"
