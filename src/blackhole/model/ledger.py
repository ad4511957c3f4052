"""What was released for which budget: rows of the ledger, receipts, noisy lists."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from blackhole.model.times import TimeRange


class LedgerKind(StrEnum):
    """What a row of the privacy ledger says.

    `start`, `stop`: a run of the service began, or ended in order. `period`: a budget period began, with its
    plan. `release`: one window of one metric was charged, and its values released. `epoch`: units that were
    counted before a restart are forgotten, so that a metric goes on with what is left of it. `spent`: nothing
    more is released in this period. `off`: differential privacy was switched off (ε is infinite).
    """

    START = "start"
    STOP = "stop"
    PERIOD = "period"
    RELEASE = "release"
    EPOCH = "epoch"
    SPENT = "spent"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of the privacy ledger; `hash` covers all of it and the hash of the row before.

    `cost_epsilon` is charged where δ is 0, else `cost_rho`. `details` is canonical JSON: the plan of a
    period, the receipt of a release, the reason of the rest.
    """

    sequence: int
    time_ns: int
    kind: LedgerKind
    period: TimeRange
    metric: str | None
    window: TimeRange | None
    cost_epsilon: float
    cost_rho: float
    details: str
    previous: str
    hash: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What is published with a release. Nothing in it depends on what was released.

    `scale`: standard deviation (Gaussian) or b (Laplace) of each value's noise, in the metric's unit;
    `count_scale`: of a gauge's counts; `interval_95`: half the width of one value's interval. `epsilon` is
    what this release alone would cost a unit at `delta`. `step`: the place of a running total in its
    factorisation. `charged`: what the ledger was charged, 0 once each unit is paid for.
    """

    metric: str
    unit: str
    bounds: tuple[float, float]
    mechanism: str
    epsilon: float
    delta: float
    rho: float | None
    scale: float
    count_scale: float | None = None
    window: tuple[str, str]
    groups_per_unit: int
    interval_95: float
    interval_of: str = "of the clamped total; clamp bias unknown"
    factorisation: str | None = None
    step: int | None = None
    charged: float
    version: str


def receipt_of(row: LedgerRow) -> Receipt:
    """The receipt of a release in the ledger."""
    return msgspec.json.decode(row.details, type=Receipt)


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release as the `releases` table has it: `ledger` is the row of the ledger that charges it.

    `lost`: its values are not in the file, since the service was killed before they were.
    """

    ledger: int
    receipt: Receipt
    window: TimeRange
    created_us: int
    lost: bool = False


@dataclass(frozen=True, slots=True)
class LedgerCommit:
    """What has to be committed together with guarded rows: what they cost, and their receipts."""

    ledger: tuple[LedgerRow, ...] = ()
    releases: tuple[ReleaseRow, ...] = ()


NO_ENTRY = LedgerCommit()


@dataclass(frozen=True, slots=True)
class NoisyList:
    """One group of a released histogram or gauge.

    A histogram has `bounds`, and a noisy count for each bucket; a gauge its noisy sum and count.
    """

    series: int
    time_ns: int
    bounds: Sequence[float] | None
    noisy: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class LedgerEnd:
    """The end of the privacy ledger as a file beside the database tells it, written before each commit.

    `pending`: the newest rows, which the database may lack when the service was killed between the two.
    """

    sequence: int
    hash: str
    time_ns: int
    period_end_ns: int
    pending: tuple[LedgerRow, ...] = ()
