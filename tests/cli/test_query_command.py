import csv
import io
import json
import time
from typing import Any

import pytest
from tests.cli.cli_fakes import FakeService, Runner

PATH = "/api/analytics/query"


def point(stamp: str, value: float, **more: Any) -> dict[str, Any]:
    return {"timestamp": stamp, "value": value, "sample_count": 3, "lower": None, "upper": None, **more}


def answer(**more: Any) -> dict[str, Any]:
    series = [
        {"attributes": {}, "points": [point(f"2026-05-01T12:0{i}:00Z", v) for i, v in enumerate((1.5, 2, 4))]}
    ]
    return {
        "metric": "process.cpu.usage",
        "type": "gauge",
        "unit": "s",
        "privacy_level": "public",
        "aggregation": "avg",
        "interval": "1m",
        "series": series,
        "sampling_rate": 1.0,
        "notes": [],
        **more,
    }


@pytest.fixture
def asked(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> FakeService:
    monkeypatch.setenv("BLACKHOLE_URL", service.url)
    service.answers[PATH] = (200, answer())
    return service


def test_the_question_carries_every_option(asked: FakeService, run: Runner) -> None:
    outcome = run(
        *("query", "m.x", "--start", "2026-05-01T12:00:00Z", "--end", "1777640400", "--agg", "p95"),
        *("--interval", "1m", "--by", "a", "--by", "b", "--where", "region=eu", "--where", "q=x=y"),
        *("--where", "region=us", "--extremes"),
    )
    assert outcome.code == 0
    assert asked.asked[0].body == {
        "metric": "m.x",
        "start_time": 1777636800.0,
        "end_time": 1777640400.0,
        "filters": {"region": ["eu", "us"], "q": "x=y"},
        "group_by": ["a", "b"],
        "aggregation": "p95",
        "interval": "1m",
        "extremes": True,
    }


def test_days_can_be_those_of_a_zone(asked: FakeService, run: Runner) -> None:
    run("query", "m", "--interval", "1d", "--timezone", "Europe/Berlin")
    assert asked.asked[0].body == {
        "metric": "m",
        "filters": {},
        "group_by": [],
        "whole": True,
        "interval": "1d",
        "timezone": "Europe/Berlin",
    }


def test_conditions_are_written_as_in_promql(asked: FakeService, run: Runner) -> None:
    where = ["zone!=a", "zone!=b", "region=~eu.*", "path=~/a", "path=~/b|/c", "kind!~x=y", "odd=", "zone!~c"]
    run("query", "m", *(word for condition in where for word in ("--where", condition)))
    assert asked.asked[0].body["filters"] == {
        "zone": {"not": ["a", "b"], "not_matches": "c"},
        "region": {"matches": "eu.*"},
        "path": {"matches": "(?:/a)|(?:/b|/c)"},
        "kind": {"not_matches": "x=y"},
        "odd": "",
    }


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (["zone"], "--where zone: write it as KEY=VALUE, KEY!=VALUE"),
        (["=a"], "--where =a: write it as"),
        (["zone=a", "zone!=b"], "--where zone: with = it is known already"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(run: Runner, where: list[str], words: str) -> None:
    outcome = run("query", "m", *(word for condition in where for word in ("--where", condition)))
    assert outcome.code == 2
    assert words in outcome.err


def test_the_last_hour_ends_now(asked: FakeService, run: Runner) -> None:
    run("query", "m", "--last", "1h30m")
    body = asked.asked[0].body
    assert body["end_time"] - body["start_time"] == 5400
    assert abs(body["end_time"] - time.time()) < 60


def test_what_is_not_said_is_left_to_the_service(asked: FakeService, run: Runner) -> None:
    run("query", "m")
    assert asked.asked[0].body == {"metric": "m", "filters": {}, "group_by": [], "whole": True}


@pytest.mark.usefixtures("asked")
def test_json_is_the_answer_as_it_came(run: Runner) -> None:
    for arguments in (["--json"], ["--format", "json"]):
        outcome = run("query", "m", *arguments)
        assert json.loads(outcome.out) == answer()


def test_the_table_shows_times_values_and_groups(asked: FakeService, run: Runner) -> None:
    series = [
        {"attributes": {"region": name}, "points": [point("2026-05-01T12:00:00Z", value)]}
        for name, value in (("us", 1234.5), ("eu", 0.25))
    ]
    asked.answers[PATH] = (200, answer(series=series))
    lines = run("query", "m", "--utc").out.splitlines()
    assert lines[0] == "process.cpu.usage · gauge · s · public · avg by 1m"
    assert lines[1].split() == ["time", "region", "value", "s", "points"]
    assert lines[3].split() == ["2026-05-01", "12:00:00Z", "eu", "0.25", "3"]
    assert lines[4].split() == ["2026-05-01", "12:00:00Z", "us", "1,234.5", "3"]


def test_error_bars_and_notes_are_shown(asked: FakeService, run: Runner) -> None:
    noisy = {
        "attributes": {},
        "points": [point("2026-05-01T12:00:00Z", -2, lower=-5, upper=1, sample_count=None)],
    }
    asked.answers[PATH] = (200, answer(series=[noisy], notes=["one group is withheld"], sampling_rate=0.5))
    outcome = run("query", "m", "--utc")
    assert outcome.out.splitlines()[-1].split() == ["2026-05-01", "12:00:00Z", "-2", "-5", "1", "-"]
    assert outcome.err == "note: one group is withheld\nnote: taken at a sampling rate of 0.5\n"


def test_extremes_have_columns_of_their_own(asked: FakeService, run: Runner) -> None:
    document = answer()
    for one in document["series"]:
        for n, point in enumerate(one["points"]):
            point |= {"min": n - 3.25, "max": n + 8.5}
    asked.answers[PATH] = (200, document)
    heading, _, row = run("query", "m", "--extremes").out.splitlines()[1:4]
    assert heading.split()[-3:] == ["min", "max", "points"]
    assert row.split()[-3:-1] == ["-3.25", "8.5"]
    lines = run("query", "m", "--format", "csv").out.splitlines()
    assert lines[0].endswith(",lower,upper,min,max")
    assert lines[1].endswith(",-3.25,8.5")


@pytest.mark.usefixtures("asked")
def test_csv_has_one_row_a_point(run: Runner) -> None:
    rows = list(csv.DictReader(io.StringIO(run("query", "m", "--format", "csv").out)))
    assert [row["timestamp"] for row in rows] == [f"2026-05-01T12:0{i}:00Z" for i in range(3)]
    assert rows[0] == {
        "timestamp": "2026-05-01T12:00:00Z",
        "value": "1.5",
        "sample_count": "3",
        "lower": "",
        "upper": "",
    }


def test_a_bucket_without_a_value_is_a_gap(asked: FakeService, run: Runner) -> None:
    points = [point("2026-05-01T12:00:00Z", 1.0), {**point("2026-05-01T12:01:00Z", 0), "value": None}]
    asked.answers[PATH] = (200, answer(series=[{"attributes": {}, "points": points}]))
    assert run("query", "m").out.splitlines()[-1].split()[-2:] == ["-", "3"]
    assert run("query", "m", "--plot").code == 0


def test_no_data_says_so(asked: FakeService, run: Runner) -> None:
    asked.answers[PATH] = (200, answer(series=[{"attributes": {}, "points": []}]))
    for arguments in ([], ["--plot"]):
        assert "no data in this range" in run("query", "m", *arguments).out


@pytest.mark.usefixtures("asked")
def test_a_chart_has_axes_with_units(run: Runner) -> None:
    out = run("query", "m", "--plot", "--utc").out
    assert "4 s ┤" in out
    assert "0 s ┤" in out
    assert "12:00:00" in out.splitlines()[-1]
    assert "12:02:00" in out.splitlines()[-1]


def test_charts_of_many_groups_are_counted(asked: FakeService, run: Runner) -> None:
    series = [{"attributes": {"k": str(i)}, "points": answer()["series"][0]["points"]} for i in range(8)]
    asked.answers[PATH] = (200, answer(series=series))
    out = run("query", "m", "--plot").out
    assert out.count("└") == 6
    assert "and 2 more series" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--last", "soon"], "'soon' is not a duration"),
        (["--last", "1h", "--start", "1"], "--last and --start"),
        (["--start", "yesterday"], "--start yesterday: is not a time"),
        (["--start", "nan"], "--start nan: is not a time"),
        (["--end", "inf"], "--end inf: is not a time"),
        (["--where", "region"], "write it as KEY=VALUE"),
        (["--plot", "--json"], "--plot draws for people"),
        (["--agg", "median"], "--agg"),
    ],
)
def test_a_wrong_option_is_exit_2(asked: FakeService, run: Runner, arguments: list[str], said: str) -> None:
    outcome = run("query", "m", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert asked.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (404, "urn:blackhole:problem:unknown-metric", 1),
        (403, "urn:blackhole:problem:privacy", 4),
        (500, "about:blank", 1),
    ],
)
def test_a_problem_of_the_service_is_one_line(
    asked: FakeService, run: Runner, status: int, kind: str, code: int
) -> None:
    asked.answers[PATH] = (
        status,
        {"type": kind, "title": "T", "status": status, "detail": "m: not so: do this"},
    )
    outcome = run("query", "m")
    assert (outcome.code, outcome.out, outcome.err) == (code, "", "blackhole: m: not so: do this\n")


def slow(service: FakeService, **more: Any) -> None:
    points = [point("2026-05-01T12:00:00Z", 4.0), point("2026-05-01T12:01:00Z", 10.0, over=True)]
    series = [{"attributes": {"kind": "a"}, "points": points, "overall": {"value": 10.0, "over": True}}]
    told = answer(type="histogram", aggregation="p95", series=series, **more)
    service.answers[PATH] = (200, told)


def test_a_percentile_in_the_last_bucket_is_above_its_bound_in_every_form(
    asked: FakeService, run: Runner
) -> None:
    slow(asked)
    out = run("query", "m", "--utc").out.splitlines()
    assert [line.split()[-3:-1] for line in out[3:5]] == [["a", "4"], [">", "10"]]
    assert out[5] == "over the whole range, kind=a: p95 > 10 s"
    assert "1 of 2 points are > 10 s, and drawn there" in run("query", "m", "--plot").out
    rows = list(csv.DictReader(io.StringIO(run("query", "m", "--format", "csv").out)))
    assert [row["over"] for row in rows] == ["", "true"]
    assert json.loads(run("query", "m", "--json").out)["series"][0]["points"][1]["over"] is True


def test_what_the_whole_range_comes_to_is_not_worked_out_from_its_points(
    asked: FakeService, run: Runner
) -> None:
    document = answer(aggregation="rate", unit="{request}")
    document["series"][0]["overall"] = {"value": 2.25}
    asked.answers[PATH] = (200, document)
    assert run("query", "m").out.splitlines()[-1] == "over the whole range: rate 2.25 request/s"


@pytest.mark.parametrize("form", [[], ["--plot"]])
def test_a_histogram_without_buckets_is_not_called_empty(
    asked: FakeService, run: Runner, form: list[str]
) -> None:
    note = "m has no buckets: ask avg, since there is no p95 without them"
    told = answer(
        type="histogram", aggregation="p95", series=[{"attributes": {}, "points": []}], notes=[note]
    )
    asked.answers[PATH] = (200, told)
    outcome = run("query", "m", *form)
    assert "no data" not in outcome.out
    assert note in outcome.err
