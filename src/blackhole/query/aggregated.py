"""Turns what old points became, sums by hour or day, into what they add to the buckets of an answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from blackhole.config import duration_words
from blackhole.query.language import Request
from blackhole.query.select import HISTOGRAMS, TIMEOUT_S, Chosen, Old, template
from blackhole.query.times import SECOND
from blackhole.store.reader import Reader

_OF_NUMBERS = frozenset(("avg", "sum", "count", "rate", "min", "max"))
# The least and greatest of histograms are those of observations there, and of means where points are left.
_OF_HISTOGRAMS = frozenset(("avg", "sum", "count", "rate"))


@dataclass(frozen=True, slots=True)
class Aggregated:
    """`old`: by group and bucket. Of all in the range: `width` of the longest, when the last ends.

    `left_out`: whether some reach over an edge of a bucket or of the range. Nanoseconds.
    """

    old: Mapping[tuple[int, int], Old] = field(default_factory=dict)
    width: int = 0
    until: int = 0
    left_out: bool = False


def can_answer(request: Request) -> bool:
    """Whether sums, least and greatest values are enough for this aggregation."""
    kinds = _OF_HISTOGRAMS if request.subject.type in HISTOGRAMS else _OF_NUMBERS
    return request.aggregation in kinds


def find(reader: Reader, request: Request, chosen: Chosen, documents: Mapping[int, str]) -> Aggregated:
    """`documents`: the attributes of each series, as they are stored. Raises QueryError."""
    bound = {
        "metric": request.subject.metric,
        "attributes": [documents[number] for number in chosen.ids],
        "groups": chosen.groups,
        "step": request.step,
        "from": request.start,
        "until": request.end,
    }
    sql = template("aggregated").format(bucket=request.clock)
    old, width, until, left_out = {}, 0, 0, False
    for group, bucket, whole, samples, total, least, most, longest, end in reader.each(
        sql, bound, timeout=TIMEOUT_S
    ):
        width, until, left_out = max(width, longest), max(until, end), left_out or not whole
        if whole and total is not None:
            old[group, bucket] = Old(samples, total, least, most)
    return Aggregated(old, width, until, left_out)


def notes(found: Aggregated, request: Request, *, answered: bool) -> Iterable[str]:
    """What an answer says of the time from which only sums are left."""
    if not found.width:
        return
    words = duration_words(found.width / SECOND)
    until = datetime.fromtimestamp(found.until // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if not answered:
        yield f"of points until {until} only sums by {words} are left, without {request.aggregation}"
    elif found.old:
        yield f"values until {until} come from sums by {words}, which are what is left of old points"
    if answered and found.left_out:
        yield f"sums by {words} (UTC) that no bucket holds as a whole are absent: ask for whole days, in UTC"
