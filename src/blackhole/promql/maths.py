"""Turns numbers into numbers as Go does: no exception, but infinities and NaN."""

import calendar
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

# After 400 years the calendar begins anew, also its weekdays.
_CYCLE_YEARS = 400
_CYCLE_S = 146_097 * 86_400
_YEAR_2000 = 946_684_800
_TOO_LARGE = 2**63

Unary = Callable[[float], float]
Binary = Callable[[float, float], float]


def _total(function: Unary) -> Unary:
    """`function` with NaN where it is not defined."""

    def defined(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return defined


def _logarithm(function: Unary) -> Unary:
    def defined(value: float) -> float:
        if value > 0:
            return function(value)
        return -math.inf if value == 0 else math.nan

    return defined


def _whole(function: Callable[[float], int]) -> Unary:
    return lambda value: float(function(value)) if math.isfinite(value) else value


def _sign(value: float) -> float:
    if value > 0:
        return 1.0
    return -1.0 if value < 0 else value


def _sinh(value: float) -> float:
    try:
        return math.sinh(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _atanh(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == 1 else _total(math.atanh)(value)


MATHS: dict[str, Unary] = {
    **{name: _total(getattr(math, name)) for name in ("exp", "sqrt", "sin", "cos", "tan", "asin", "acos")},
    **{name: _total(getattr(math, name)) for name in ("atan", "cosh", "tanh", "asinh", "acosh")},
    "sinh": _sinh,
    "atanh": _atanh,
    "abs": abs,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "ln": _logarithm(math.log),
    "log2": _logarithm(math.log2),
    "log10": _logarithm(math.log10),
    "rad": math.radians,
    "deg": math.degrees,
    "sgn": _sign,
}


def to_nearest(value: float, nearest: float) -> float:
    inverse = divided(1.0, nearest)
    scaled = value * inverse + 0.5
    return divided(float(math.floor(scaled)) if math.isfinite(scaled) else scaled, inverse)


def clamped(value: float, low: float, high: float) -> float:
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return math.nan
    return max(low, min(high, value))


def divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        odd = right == math.floor(right) and right % 2 == 1
        return -math.inf if left < 0 and odd else math.inf
    except ValueError:
        if left == 0:
            odd = right == math.floor(right) and right % 2 == 1
            return math.copysign(math.inf, left) if odd else math.inf
        return math.nan


def remainder(left: float, right: float) -> float:
    try:
        return math.fmod(left, right)
    except ValueError:
        return math.nan


ARITHMETIC: dict[str, Binary] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": divided,
    "%": remainder,
    "^": power,
    "atan2": math.atan2,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
}


def _of_date(pick: Callable[[datetime], int], seconds: float) -> float:
    return float(pick(_moment(seconds)[0]))


def _year(seconds: float) -> float:
    moment, cycles = _moment(seconds)
    return float(moment.year + cycles * _CYCLE_YEARS)


def _moment(seconds: float) -> tuple[datetime, int]:
    """The same moment of the years 2000 to 2399, and by how many times 400 years it was moved.

    What does not fit into 64 bits is where Go's conversion of such numbers lands on common processors.
    """
    whole = int(seconds) if abs(seconds) < _TOO_LARGE else _TOO_LARGE
    cycles, inside = divmod(whole - _YEAR_2000, _CYCLE_S)
    return datetime.fromtimestamp(_YEAR_2000 + inside, UTC), cycles


DATES: dict[str, Unary] = {
    "minute": partial(_of_date, lambda moment: moment.minute),
    "hour": partial(_of_date, lambda moment: moment.hour),
    "day_of_week": partial(_of_date, lambda moment: moment.isoweekday() % 7),
    "day_of_month": partial(_of_date, lambda moment: moment.day),
    "day_of_year": partial(_of_date, lambda moment: moment.timetuple().tm_yday),
    "days_in_month": partial(_of_date, lambda moment: calendar.monthrange(moment.year, moment.month)[1]),
    "month": partial(_of_date, lambda moment: moment.month),
    "year": _year,
}
