"""Whatever numbers are stored, an expression has an answer, or an error that says why: never an exception."""

import math
import random
from contextlib import suppress
from pathlib import Path

import pytest
from tests.promql.shop import Shop

from blackhole.errors import QueryError
from blackhole.store.database import Database
from blackhole.store.upkeep.seal import Sealer

T = 1_750_000_000_000
MINUTE = 60_000
EXTREMES = [
    *(
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        1e308,
        -1e308,
        1.7976931348623157e308,
        1e154,
        -1.4e154,
        1e155,
        5e-324,
        -5e-324,
    ),
    *(2.2250738585072014e-308, 2.0**53, -(2.0**63), 1e15, math.inf, -math.inf, math.nan),
]
RANGES = [
    *(
        f"{name}({{}}[5m])"
        for name in ("rate", "increase", "delta", "irate", "idelta", "deriv", "resets", "changes")
    ),
    *(
        f"{name}_over_time({{}}[5m])"
        for name in ("sum", "avg", "min", "max", "count", "present", "last", "first")
    ),
    *(f"{name}_over_time({{}}[5m])" for name in ("stddev", "stdvar", "mad", "absent")),
    *(f"ts_of_{name}_over_time({{}}[5m])" for name in ("first", "last", "max", "min")),
    "quantile_over_time({number}, {}[5m])",
    "predict_linear({}[5m], {number})",
    "double_exponential_smoothing({}[5m], 0.5, {number})",
    "double_exponential_smoothing({}[5m], 0.3, 0.9)",
    "avg_over_time({}[5m:30s])",
    "stddev_over_time(rate({}[1m])[5m:30s])",
    "increase({}[2m:1ms] @ {time})",
]
VECTORS = [
    *(f"{name}({{}})" for name in ("sum", "avg", "min", "max", "count", "stddev", "stdvar", "group")),
    *(f"{name}({{number}}, {{}})" for name in ("quantile", "topk", "bottomk", "limitk")),
    *(
        f"{name}({{}})"
        for name in ("abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "deg", "rad")
    ),
    *(f"{name}({{}})" for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")),
    *(
        f"{name}({{}})"
        for name in ("asinh", "acosh", "atanh", "sort", "sort_desc", "scalar", "absent", "timestamp")
    ),
    *(
        f"{name}({{}})"
        for name in ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "year", "month")
    ),
    *(
        f"{{}} {op} {{number}}"
        for op in ("+", "-", "*", "/", "%", "^", "atan2", "==", "> bool", "<", ">=", "<=", "!=")
    ),
    *(f"{{number}} {op} {{}}" for op in ("+", "-", "*", "/", "%", "^", "atan2", "==", "> bool")),
    *(f"{{}} {op} {{}}" for op in ("+", "-", "*", "/", "%", "^", "atan2", "==", "and", "or", "unless")),
    *("round({})", "round({}, {number})", "clamp({}, {number}, {number})", "clamp_min({}, {number})", "-{}"),
    *("clamp_max({}, {number})", 'count_values("v", {})', "days_in_month({})", "vector(scalar({}))"),
    "histogram_quantile({number}, sum by (le) ({}))",
    "histogram_fraction({number}, {number}, {})",
    'label_replace({}, "a", "$1", "b", "(.*)")',
]
NAMES = ("level", "done_total", "size_bucket", "size_sum", "size_count")
NUMBERS = (
    "0",
    "-0",
    "1",
    "-1",
    "0.5",
    "1e308",
    "-1e308",
    "5e-324",
    "Inf",
    "-Inf",
    "NaN",
    "1e18",
    "2",
    "0.1",
    "1e-300",
)


def fill(shop: Shop, chance: random.Random, *, stretch: int) -> None:
    """Samples that may share a millisecond."""
    for name, kind in (("level", "gauge"), ("done", "counter")):
        for number in range(4):
            series = shop.series(name, kind, {"b": f"{number}"})
            times = sorted(T - chance.randrange(5 * MINUTE // stretch) * stretch for _ in range(8))
            sent = chance.random() < 0.5
            rows = [(time, value := chance.choice(EXTREMES), value if sent else None) for time in times]
            shop.counted(series, rows, stream=series)
    for number in range(2):
        series = shop.series("size", "histogram", {"b": f"{number}"})
        bounds = sorted(chance.sample([-1e308, -1.0, 0.0, 5e-324, 1.0, 1e154, 1e308], 3))
        times = sorted(T - chance.randrange(5 * MINUTE // stretch) * stretch for _ in range(6))
        cells = [[chance.choice([0, 1, 2**53]) for _ in range(4)] for _ in times]
        sums = [chance.choice(EXTREMES) for _ in times]
        shop.intervals(series, zip(times, [bounds] * len(times), cells, sums, strict=True))


def expression(chance: random.Random, template: str, inner: str) -> str:
    while "{number}" in template:
        template = template.replace("{number}", chance.choice(NUMBERS), 1)
    return template.replace("{time}", str(T / 1000)).replace("{}", inner)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_no_expression_fails_for_its_numbers(tmp_path: Path, seed: int, sealed: bool) -> None:
    chance = random.Random(seed)
    shop = Shop(Database.open(tmp_path / "analytics.duckdb"))
    fill(shop, chance, stretch=chance.choice([1, 1000, 60_000]))
    if sealed:
        sealer = Sealer(shop.database, pause=0)
        sealer._started_us = 1
        while sealer.apply():
            pass
    for template in (*RANGES, *VECTORS):
        name = chance.choice(NAMES)
        outer = "{}" if chance.random() < 0.5 else chance.choice(VECTORS)
        query = expression(chance, outer, f"({expression(chance, template, name)})")
        with suppress(QueryError):
            shop.engine.instant(query, T)
        with suppress(QueryError):
            shop.engine.range(query, T - MINUTE, T, 20_000)
    shop.database.close()


def test_scatter_beyond_the_square_root_of_the_largest_number_is_infinite(shop: Shop) -> None:
    """As Prometheus answers, which multiplies."""
    for number, value in enumerate((1.5e155, -1.5e155)):
        shop.points(shop.series("level", "gauge", {"n": f"{number}"}), [(T - 1000, -value), (T, value)])
    for function in ("stddev", "stdvar"):
        assert shop.values(f"{function}(level)", T) == [math.inf]
        assert shop.values(f"{function}_over_time(level[1m])", T) == [math.inf, math.inf]


@pytest.mark.parametrize("time", [-(2**62), 0, 2**40, 2**62])
@pytest.mark.parametrize(
    "query", ["level", "level offset 1000y", "rate(level[500y])", "max_over_time(level[9y:1y])"]
)
def test_times_far_away_are_answered(shop: Shop, time: int, query: str) -> None:
    shop.points(shop.series("level"), [(T, 1), (T + 1, 2)])
    with suppress(QueryError):
        shop.engine.instant(query, time)
    with suppress(QueryError):
        shop.engine.range(query, time, time + 10, 1)
