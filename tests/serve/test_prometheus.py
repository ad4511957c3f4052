"""The Prometheus HTTP API answers in Prometheus' shapes, with its errors, and behind the same door."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.promql.shop import Shop
from tests.serve.conftest import client_of
from tests.serve.serve_fakes import FakeService

from blackhole.config import ApiConfig
from blackhole.model.series import PrivacyLevel
from blackhole.serve.prometheus import MAX_BODY
from blackhole.store.database import Database

pytestmark = pytest.mark.anyio

T = 1_750_000_000
API = "/api/v1"


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A service with a counter of two sources, gauges that are not finite, a histogram, and a private one."""
    shop = Shop(Database.open(tmp_path / "analytics.duckdb"))
    for name in ("api", "web"):
        series = shop.series("requests", "counter", {"service.name": name, "code": 200}, unit="{request}")
        shop.points(series, [(T * 1000, 3), ((T + 10) * 1000, 4)])
    shop.points(shop.series("odd", "gauge", {"kind": "nan"}), [(T * 1000, float("nan"))])
    shop.points(shop.series("odd", "gauge", {"kind": "inf"}), [(T * 1000, float("inf"))])
    sizes = shop.series("size", "histogram", {"service.name": "api"}, unit="By")
    shop.intervals(sizes, [(T * 1000, [0.5, 1000], [1, 2, 3], 9.0)])
    shop.points(shop.series("private", level=PrivacyLevel.SENSITIVE), [(T * 1000, 7)])
    service = FakeService()
    service.runner.promql = shop.engine
    async with client_of(service) as client:
        yield client
    shop.database.close()


async def data(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(f"{API}/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["status"] == "success"
    return body["data"]


async def test_an_instant_vector(asked: httpx.AsyncClient) -> None:
    assert await data(asked, "query", query="sum by (job) (requests_total)", time=T + 10.5) == {
        "resultType": "vector",
        "result": [
            {"metric": {"job": "api"}, "value": [T + 10.5, "7"]},
            {"metric": {"job": "web"}, "value": [T + 10.5, "7"]},
        ],
    }


async def test_a_scalar_a_string_and_samples(asked: httpx.AsyncClient) -> None:
    assert await data(asked, "query", query="1 + 1", time=T) == {"resultType": "scalar", "result": [T, "2"]}
    assert await data(asked, "query", query="'a'", time=T) == {"resultType": "string", "result": [T, "a"]}
    found = await data(asked, "query", query='requests_total{job="api"}[1m]', time=T + 10)
    assert found["resultType"] == "matrix"
    assert found["result"][0]["values"] == [[T, "3"], [T + 10, "7"]]


async def test_values_that_json_has_no_number_for_are_texts(asked: httpx.AsyncClient) -> None:
    found = await data(asked, "query", query="odd", time=T)
    values = {entry["metric"]["kind"]: entry["value"][1] for entry in found["result"]}
    assert values == {"nan": "NaN", "inf": "+Inf"}
    assert (await data(asked, "query", query="-odd", time=T))["result"][0]["value"][1] == "-Inf"


async def test_small_and_large_values_have_an_exponent_where_prometheus_writes_one(
    asked: httpx.AsyncClient,
) -> None:
    for text, written in (("1e-7", "1e-07"), ("-1.5e300", "-1.5e+300"), ("1e20", f"1{'0' * 20}"), ("0", "0")):
        found = await data(asked, "query", query=f"vector({text})", time=T)
        assert found["result"][0]["value"][1] == written


async def test_times_are_taken_as_prometheus_takes_them(asked: httpx.AsyncClient) -> None:
    assert (await data(asked, "query", query="1", time="1.75e9"))["result"][0] == T
    assert (await data(asked, "query", query="1", time=""))["result"][0] > T


async def test_samples_stand_in_the_order_of_their_labels(asked: httpx.AsyncClient) -> None:
    found = await data(asked, "query", query='{__name__=~".+",kind=~".*"}[1m]', time=T)
    labels = [sorted(entry["metric"].items()) for entry in found["result"]]
    assert labels == sorted(labels)


async def test_a_range(asked: httpx.AsyncClient) -> None:
    question = {"query": "requests_total", "start": T, "end": T + 10, "step": "5s"}
    found = await data(asked, "query_range", **question)
    assert found["resultType"] == "matrix"
    assert [entry["metric"]["job"] for entry in found["result"]] == ["api", "web"]
    assert found["result"][0]["values"] == [[T, "3"], [T + 5, "3"], [T + 10, "7"]]


async def test_a_form_asks_as_an_address_does(asked: httpx.AsyncClient) -> None:
    question = {"query": "requests_total", "time": str(T)}
    posted = await asked.post(f"{API}/query", data=question)
    assert posted.json()["data"] == await data(asked, "query", **question)
    matching = await asked.post(f"{API}/series", data={"match[]": ["odd", "requests_total"]})
    assert len(matching.json()["data"]) == 4


async def test_series_that_match_any_selector(asked: httpx.AsyncClient) -> None:
    selectors = ['requests_total{job="api"}', '{__name__="size_bytes_bucket",le!="+Inf"}']
    found = await data(asked, "series", **{"match[]": selectors})
    assert [(entry["__name__"], entry.get("le")) for entry in found] == [
        ("requests_total", None),
        ("size_bytes_bucket", "0.5"),
        ("size_bytes_bucket", "1000"),
    ]


async def test_series_are_those_with_samples_in_the_range(asked: httpx.AsyncClient) -> None:
    every = {"match[]": '{job="api"}'}
    assert len(await data(asked, "series", start=T - 5, end=T + 5, **every)) == 6
    assert len(await data(asked, "series", start=T + 5, end=T + 15, **every)) == 1
    assert await data(asked, "series", start=T + 15, end=T + 25, **every) == []


async def test_labels_and_their_values(asked: httpx.AsyncClient) -> None:
    assert await data(asked, "labels") == ["__name__", "code", "job", "kind", "le", "service_name"]
    assert await data(asked, "labels", **{"match[]": "odd"}) == ["__name__", "kind"]
    assert await data(asked, "label/job/values") == ["api", "web"]
    assert await data(asked, "label/code/values") == ["200"]
    assert await data(asked, "label/le/values") == ["+Inf", "0.5", "1000"]
    assert await data(asked, "label/nothing/values") == []
    assert await data(asked, "label/job/values", **{"match[]": "size_bytes_count"}) == ["api"]
    names = await data(asked, "label/__name__/values")
    assert names == [
        "odd",
        "private",
        "requests_total",
        *(f"size_bytes_{p}" for p in ("bucket", "count", "sum")),
    ]


async def test_metadata_tells_types_and_descriptions(asked: httpx.AsyncClient) -> None:
    found = await data(asked, "metadata")
    assert found["requests_total"] == [{"type": "counter", "help": "about requests", "unit": ""}]
    assert found["size_bytes"] == [{"type": "histogram", "help": "about size", "unit": ""}]
    assert list(await data(asked, "metadata", metric="odd")) == ["odd"]
    assert len(await data(asked, "metadata", limit=1)) == 1


async def test_build_info_names_a_version_of_prometheus(asked: httpx.AsyncClient) -> None:
    assert (await data(asked, "status/buildinfo"))["version"].startswith("3.")


async def test_what_a_limit_cuts_off_is_said(asked: httpx.AsyncClient) -> None:
    answer = await asked.get(f"{API}/query", params={"query": "requests_total", "time": T, "limit": 1})
    assert len(answer.json()["data"]["result"]) == 1
    assert answer.json()["warnings"] == ["results truncated due to limit"]
    whole = await asked.get(f"{API}/query", params={"query": "requests_total", "time": T, "limit": 2})
    assert "warnings" not in whole.json()


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind"),
    [
        ("query", {}, 400, "bad_data"),
        ("query", {"query": "sum("}, 400, "bad_data"),
        ("query", {"query": "1", "time": "soon"}, 400, "bad_data"),
        ("query", {"query": "1", "limit": "-1"}, 400, "bad_data"),
        ("query", {"query": "1", "timeout": "soon"}, 400, "bad_data"),
        ("query", {"query": "count_values('', odd)", "time": T}, 422, "execution"),
        ("query", {"query": "info(odd)"}, 400, "bad_data"),
        ("query", {"query": "1", "lookback_delta": "1h"}, 400, "bad_data"),
        ("query", {"query": "max(private)", "time": T}, 400, "bad_data"),
        ("query", {"query": "requests_total / on() requests_total", "time": T}, 422, "execution"),
        ("query_range", {"query": "1", "start": T, "end": T}, 400, "bad_data"),
        ("query_range", {"query": "1", "start": T, "end": T - 1, "step": 1}, 400, "bad_data"),
        ("query_range", {"query": "1", "start": T, "end": T, "step": 0}, 400, "bad_data"),
        ("query_range", {"query": "1", "start": T, "end": T + 11_001, "step": 1}, 400, "bad_data"),
        ("query_range", {"query": "private", "start": T, "end": T + 60, "step": 15}, 400, "bad_data"),
        ("series", {}, 400, "bad_data"),
        ("series", {"match[]": "sum(odd)"}, 400, "bad_data"),
        ("series", {"match[]": "odd offset 5m"}, 400, "bad_data"),
    ],
)
async def test_errors_are_as_prometheus_has_them(
    asked: httpx.AsyncClient, path: str, parameters: dict[str, Any], status: int, kind: str
) -> None:
    answer = await asked.get(f"{API}/{path}", params=parameters)
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (body["status"], body["errorType"]) == ("error", kind)
    assert body["error"]
    assert "\n" not in body["error"]


async def test_only_forms_of_a_bearable_size_are_taken(asked: httpx.AsyncClient) -> None:
    assert (await asked.post(f"{API}/query", json={"query": "1"})).status_code == 415
    long = await asked.post(f"{API}/query", data={"query": "1" * MAX_BODY})
    assert (long.status_code, long.json()["errorType"]) == (413, "bad_data")


async def test_the_door_is_the_same_as_for_the_rest(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough\n")
    token.chmod(0o600)
    async with client_of(FakeService(ApiConfig(token_file=str(token)))) as client:
        assert (await client.get(f"{API}/labels")).status_code == 401
        bearer = {"authorization": "Bearer a-token-that-is-long-enough"}
        assert (await client.get(f"{API}/labels", headers=bearer)).status_code == 200
        foreign = {**bearer, "host": "elsewhere.example"}
        assert (await client.get(f"{API}/labels", headers=foreign)).status_code == 421
        page = {**bearer, "origin": "https://elsewhere.example"}
        posted = await client.post(f"{API}/query", data={"query": "1"}, headers=page)
        assert posted.status_code == 403
