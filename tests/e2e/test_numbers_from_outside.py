"""Whatever a client writes where a number stands is answered, or refused with 400: never with a 500."""

import http.client
import json
import random
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, urlencode

import pytest
from tests.e2e.service import Service, counter, request

PROMQL = "/api/v1"
API = "/api/analytics"
TEXTS = [
    *(
        "",
        " ",
        "0",
        "-0",
        "-1",
        "1_000",
        "1e3",
        "1e400",
        "-1e400",
        "1e-400",
        "nan",
        "inf",
        "-inf",
        "NaN",
        "Infinity",
    ),
    *(
        "0x10",
        "0b1",
        "1.",
        ".5",
        "+5",
        " 7",
        "7 ",
        "1.7976931348623157e308",
        "\u0661\u0662",
        "\uff11",
        "5s",
        "1_0s",
    ),
    *("9" * 18, "9" * 19, "9" * 20, "9" * 40, "9" * 400, "9" * 4301, "-" + "9" * 4301, "0." + "9" * 4301),
    *(
        "9" * 4301 + "s",
        "1" + "0" * 308 + "m",
        "1e" + "9" * 20,
        "2262-04-11T23:47:16.9Z",
        "0001-01-01T00:00:00Z",
    ),
    "2026-01-01T00:00:00." + "9" * 4301 + "Z",
]
GETS = [
    f"{API}/privacy/ledger?before={{}}",
    f"{API}/privacy/ledger?limit={{}}",
    f"{API}/services?start={{}}",
    f"{API}/services?end={{}}",
    f"{API}/insights?limit={{}}",
    f"{API}/insights?since={{}}",
    f"{PROMQL}/query?query=1&time={{}}",
    f"{PROMQL}/query?query=1&limit={{}}",
    f"{PROMQL}/query?query=1&timeout={{}}",
    f"{PROMQL}/query?query={{}}",
    f"{PROMQL}/query_range?query=1&start={{}}&end=10&step=1",
    f"{PROMQL}/query_range?query=1&start=0&end={{}}&step=1",
    f"{PROMQL}/query_range?query=1&start=0&end=10&step={{}}",
    f"{PROMQL}/series?match[]=up&start={{}}",
    f"{PROMQL}/labels?limit={{}}",
    f"{PROMQL}/label/job/values?end={{}}",
    f"{PROMQL}/metadata?limit={{}}",
    f"{PROMQL}/metadata?limit_per_metric={{}}",
]
# In a JSON document: as a text, and as it stands.
POSTS = {
    f"{API}/query": [
        '{{"metric":"node.requests.total","start_time":{}}}',
        '{{"metric":"node.requests.total","end_time":{}}}',
        '{{"metric":"node.requests.total","interval":{}}}',
        '{{"metric":"node.requests.total","filters":{{"method":{}}}}}',
    ],
    f"{API}/sql": ['{{"sql":"SELECT 1","max_rows":{}}}'],
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("numbers") / "data") as running:
        now = time.time_ns()
        running.post(request(counter("node.requests.total", 1.0, start=now - 10**9, when=now, delta=True)))
        yield running


@pytest.fixture
def connection(service: Service) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(service.ready["api"].removeprefix("http://"), timeout=30)) as one:
        yield one


def status_of(
    connection: http.client.HTTPConnection, method: str, place: str, body: str | None = None
) -> int:
    sent = None if body is None else body.encode()
    connection.request(method, place, sent, {"content-type": "application/json"} if sent else {})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status != 200 or text
    return answer.status


@pytest.mark.parametrize("place", GETS)
def test_no_number_in_a_query_string_is_an_error_of_ours(
    connection: http.client.HTTPConnection, place: str
) -> None:
    statuses = {text[:30]: status_of(connection, "GET", place.format(quote(text))) for text in TEXTS}
    assert set(statuses.values()) <= {200, 400, 404, 422}, statuses


@pytest.mark.parametrize(
    ("place", "body"), [(place, body) for place, bodies in POSTS.items() for body in bodies]
)
def test_no_number_in_a_document_is_an_error_of_ours(
    connection: http.client.HTTPConnection, place: str, body: str
) -> None:
    for text in TEXTS:
        for written in (json.dumps(text), text):
            status = status_of(connection, "POST", place, body.format(written))
            assert status in {200, 400, 403, 404}, written[:30]


def test_a_limit_is_absent_where_it_is_empty_and_a_whole_number_else(
    connection: http.client.HTTPConnection,
) -> None:
    for place in (
        f"{PROMQL}/query?query=1&limit=",
        f"{API}/privacy/ledger?limit=",
        f"{API}/insights?limit=",
        f"{API}/alerts?limit=",
    ):
        assert status_of(connection, "GET", place) == 200
        assert status_of(connection, "GET", f"{place}10") == 200
        for wrong in ("1_000", "1e3", "-1", "%2B5", quote("\u0661")):
            assert status_of(connection, "GET", place + wrong) == 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1_000", "1000"),
        ("0x_1F", "31"),
        (".123_456", "0.123456"),
        ("1_0e1_0", "100000000000"),
        ("1 + 2_0", "21"),
    ],
)
def test_digits_may_be_set_apart_in_promql(
    connection: http.client.HTTPConnection, text: str, value: str
) -> None:
    connection.request("GET", f"{PROMQL}/query?{urlencode({'query': text})}")
    assert json.loads(connection.getresponse().read())["data"]["result"][1] == value


@pytest.mark.parametrize("text", ["1__0", "1_", "1_.5", "x_1 +"])
def test_digits_set_apart_in_other_ways_are_refused(
    connection: http.client.HTTPConnection, text: str
) -> None:
    assert status_of(connection, "GET", f"{PROMQL}/query?{urlencode({'query': text})}") == 400


def test_random_numbers_are_never_an_error_of_ours(connection: http.client.HTTPConnection) -> None:
    draw = random.Random(5)
    for _ in range(300):
        text = "".join(
            draw.choice("0123456789999eE.+-_xns ") for _ in range(draw.choice((1, 3, 8, 30, 5000)))
        )
        place = draw.choice(GETS).format(quote(text))
        assert status_of(connection, "GET", place) in {200, 400, 404, 422}, place[:120]
