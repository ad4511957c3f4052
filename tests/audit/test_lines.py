"""Files of lines: what is taken, what is refused and how, and the requests that come of them."""

from pathlib import Path

import pytest

from blackhole.audit.lines import AuditLine, read, requests
from blackhole.catalogue.definition import Definition, PrivacyUnit
from blackhole.decode import Decoder
from blackhole.errors import UsageError
from blackhole.model.series import MetricType

SOMEBODY = "somebody-in-particular"


def entry(kind: MetricType, buckets: tuple[float, ...] | None = None) -> Definition:
    return Definition(
        name="content.things",
        description="d",
        type=kind,
        unit="1",
        privacy="highly_sensitive",
        purpose="p",
        privacy_unit=PrivacyUnit("user", ("user.id",)),
        bounds=(0.0, 1.0),
        buckets=buckets,
    )


def written(directory: Path, text: str) -> Path:
    file = directory / "lines.ndjson"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_line_has_a_value_and_may_have_attributes_and_a_time(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '{"value":1}\n\n{"value":-2.5,"attributes":{"a":"x","n":1,"b":true},"time":"2026-01-01T00:00:00Z"}\n',
    )
    assert read(file) == [AuditLine(1.0, {}), AuditLine(-2.5, {"a": "x", "n": 1, "b": True})]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[1]",
        "{}",
        f'{{"value":"{SOMEBODY}"}}',
        f'{{"value":1,"{SOMEBODY}":2}}',
        f'{{"value":1,"attributes":{{"user.id":["{SOMEBODY}"]}}}}',
        f'{{"value":1,"attributes":"{SOMEBODY}"}}',
        f'{{"value":1,"time":"{SOMEBODY}"}}',
        '{"value":1,"time":"2026-01-01T00:00:00"}',
        '{"value":1,"count":3}',
        '{"value":NaN}',
        '{"value":1e999}',
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_a_remedy_and_without_its_content(
    tmp_path: Path, line: str
) -> None:
    with pytest.raises(UsageError, match=r"lines\.ndjson, line 3: .+: write \{") as caught:
        read(written(tmp_path, f'{{"value":1}}\n\n{line}\n{{"value":2}}\n'))
    assert SOMEBODY not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_line_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lines.ndjson"
    file.write_bytes(b'{"value":1,"attributes":{"a":"\xff"}}\n')
    with pytest.raises(UsageError, match="line 1"):
        read(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.ndjson: cannot be read"):
        read(tmp_path / "nothing.ndjson")


@pytest.mark.parametrize("kind", [MetricType.COUNTER, MetricType.UPDOWNCOUNTER, MetricType.GAUGE])
def test_the_same_series_again_goes_into_the_next_request(kind: MetricType) -> None:
    lines = [
        AuditLine(1.0, {"a": "x"}),
        AuditLine(2.0, {"a": "x"}),
        AuditLine(3.0, {"a": "y"}),
        AuditLine(4.0, {"a": "x"}),
    ]
    made = requests("content.things", entry(kind), lines)
    decoder = Decoder(bytes(16), clock_ns=lambda: 0)
    assert [decoder.decode(payload).points for payload in made] == [2, 1, 1]


def test_an_observation_goes_into_the_declared_bucket_whose_upper_bound_it_does_not_pass() -> None:
    made = requests(
        "content.things",
        entry(MetricType.HISTOGRAM, (10.0, 100.0)),
        [AuditLine(10.0, {}), AuditLine(10.5, {"a": "x"}, count=7), AuditLine(1e9, {"a": "y"})],
    )
    assert [
        counts for counts in (b'["1","0","0"]', b'["0","7","0"]', b'["0","0","1"]') if counts in made[0].body
    ] == [b'["1","0","0"]', b'["0","7","0"]', b'["0","0","1"]']
