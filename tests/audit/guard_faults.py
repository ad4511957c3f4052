"""The service's own guard, broken in one way each: by what it is told, or between its parts."""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from blackhole import _core
from blackhole.audit.guard_path import GuardPath
from blackhole.audit.lines import AuditLine
from blackhole.audit.samples import AuditSample
from blackhole.audit.subjects import AuditSubject
from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.guard import resolver as treatment
from blackhole.privacy import plan
from blackhole.privacy.ledger import Ledger
from blackhole.privacy.mechanism import Mechanism
from blackhole.privacy.terms import Terms, terms_of

Windows = Sequence[Sequence[AuditLine]]
Plant = Callable[[pytest.MonkeyPatch], None]


def other_terms(change: Callable[[Terms], Mapping[str, Any]]) -> Plant:
    """The guard works by other terms than those that are announced."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        def changed(*given: Any) -> Terms:
            terms = terms_of(*given)
            return msgspec.structs.replace(terms, **change(terms))

        patch.setattr(plan, "terms_of", changed)

    return plant


def _last_key_names_the_unit(patch: pytest.MonkeyPatch) -> None:
    honest = treatment._unit_of

    def unit_of(definition: Definition, new: _core.NewSeries) -> bytes | None:
        unit = definition.privacy_unit
        assert isinstance(unit, PrivacyUnit)
        turned = PrivacyUnit(unit.name, unit.keys[::-1])
        return honest(msgspec.structs.replace(definition, privacy_unit=turned), new)

    patch.setattr(treatment, "_unit_of", unit_of)


def _no_unit_is_remembered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "allowance", lambda _self, _terms: 0)


_HALF = other_terms(lambda terms: {"scale": terms.scale / 2})


def _scale_of_one_window(terms: Terms) -> dict[str, Any]:
    """Costs of Laplace noise add up, those of Gaussian noise as squares of its scale."""
    windows = terms.charged_windows
    return {"scale": terms.scale / (math.sqrt(windows) if terms.mechanism == Mechanism.GAUSSIAN else windows)}


_ONE_WINDOW = other_terms(_scale_of_one_window)

# The metric, whether the unit asks for more than it may, and what is planted.
INSIDE: Mapping[str, tuple[str, bool, Plant]] = {
    "noise for half of the sensitivity": ("audit.counter", False, _HALF),
    "noise for half of the sensitivity of histograms": ("audit.histogram", False, _HALF),
    "noise for one window where two are charged": ("audit.counter_of_few_windows", False, _ONE_WINDOW),
    "too many groups a unit": (
        "audit.counter",
        True,
        other_terms(lambda terms: {"groups_per_unit": terms.groups}),
    ),
    "no clamp": ("audit.counter", True, other_terms(lambda _: {"bounds": (0.0, 1e6)})),
    "one person under two keys": ("audit.counter", True, _last_key_names_the_unit),
}
# Three windows where two are charged: a small breach for a few thousand trials, but its mean gives it away.
MORE_WINDOWS: tuple[str, bool, Plant] = ("audit.counter_of_few_windows", True, _no_unit_is_remembered)


class Published(GuardPath):
    """A sound guard whose values are changed on their way out."""

    def change(self, sample: AuditSample, windows: Windows) -> AuditSample:
        raise NotImplementedError

    def sample(self, subject: AuditSubject, windows: Windows, trials: int) -> AuditSample:
        return self.change(super().sample(subject, windows, trials), windows)


class WithFloatNoise(Published):
    def change(self, sample: AuditSample, windows: Windows) -> AuditSample:
        del windows
        return [tuple((v or 0.0) + random.gauss(0, 0.1) for v in outcome) for outcome in sample]


class WithExactK(Published):
    """Groups of fewer than three units are left out: with an exact count, that is."""

    def change(self, sample: AuditSample, windows: Windows) -> AuditSample:
        units = Counter(line.attributes["kind"] for window in windows for line in window)
        kept = [units[kind] >= 3 for kind in ("a", "b", "c", "other")]
        return [
            tuple(value if keep else None for value, keep in zip(outcome, kept, strict=True))
            for outcome in sample
        ]


class Twice(GuardPath):
    """The same window with new noise, once more."""

    def sample(self, subject: AuditSubject, windows: Windows, trials: int) -> AuditSample:
        first, again = super().sample(subject, windows, trials), super().sample(subject, windows, trials)
        return [(*one, *other) for one, other in zip(first, again, strict=True)]


class EverybodyTwice(GuardPath):
    """Each line comes again as somebody else's: a retry that got a new id."""

    def sample(self, subject: AuditSubject, windows: Windows, trials: int) -> AuditSample:
        again = [[*window, *map(self._copy, window)] for window in windows]
        return super().sample(subject, again, trials)

    @staticmethod
    def _copy(line: AuditLine) -> AuditLine:
        return AuditLine(line.value, {**line.attributes, "user.id": f"{line.attributes['user.id']} again"})


# What is planted beside the guard, all on `audit.counter`.
AROUND: Mapping[str, type[GuardPath]] = {
    "noise drawn as a float": WithFloatNoise,
    "an exact k decides what is released": WithExactK,
    "one release twice, with new noise": Twice,
    "a unit counted twice": EverybodyTwice,
}
