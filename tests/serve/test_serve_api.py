"""Every endpoint answers in the shape of the contract; what goes wrong is a problem document."""

import asyncio
import threading

import httpx
import pytest
from tests.serve.conftest import client_of
from tests.serve.serve_fakes import VERSION, FakeService

from blackhole.catalogue.allow import Permission
from blackhole.errors import OverloadedError, StoreError
from blackhole.query.language import Query
from blackhole.serve.api import MAX_BODY

pytestmark = pytest.mark.anyio

QUERY = "/api/analytics/query"
SQL = "/api/analytics/sql"


async def test_a_query_reaches_the_runner_and_its_answer_comes_back_whole(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    question = {"metric": "a.b", "interval": "10s", "filters": {"k": "v"}, "group_by": ["k"]}
    answer = await client.post(QUERY, json=question)
    assert service.runner.asked == [Query("a.b", interval="10s", filters={"k": "v"}, group_by=["k"])]
    assert answer.status_code == 200
    assert set(answer.json()) == {
        *("metric", "type", "unit", "privacy_level", "aggregation", "interval", "series", "sampling_rate"),
        "notes",
    }
    assert answer.json()["series"][0]["points"][0] == {
        "timestamp": "2026-11-23T10:00:00Z",
        "value": 1.5,
        "sample_count": 3,
        "lower": None,
        "upper": None,
    }
    assert answer.headers["cache-control"] == "no-store"


async def test_sql_passes_the_row_limit_on(client: httpx.AsyncClient, service: FakeService) -> None:
    answer = await client.post(SQL, json={"sql": "SELECT 1", "max_rows": 5})
    assert service.runner.asked == [("SELECT 1", 5)]
    assert answer.json()["rows"] == [[1]]


async def test_names_are_allowed_with_what_is_said_of_them(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    answer = await client.post("/api/analytics/catalogue/allow", json={"names": ["a.b"], "keep": ["kind"]})
    assert service.permissions == [Permission(("a.b",), keep=("kind",))]
    assert (answer.status_code, answer.json()) == (
        200,
        {"allowed": [], "already": ["a.b"], "file": "catalogue.yaml"},
    )


async def test_what_needs_a_file_is_a_problem_of_privacy(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/analytics/catalogue/allow", json={"names": ["a.b"], "privacy": "sensitive"}
    )
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:blackhole:problem:privacy")


async def test_unknown_keys_of_a_permission_are_refused(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    answer = await client.post("/api/analytics/catalogue/allow", json={"names": ["a.b"], "bounds": [0, 1]})
    assert answer.status_code == 400
    assert service.permissions == []


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/api/analytics/health", {"services", "verdict", "outages"}),
        ("/api/analytics/metrics", {"metrics", "refused"}),
        ("/healthz", {"status"}),
        ("/readyz", {"status"}),
    ],
)
async def test_readings_have_the_keys_of_the_contract(
    client: httpx.AsyncClient, path: str, keys: set[str]
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert set(answer.json()) == keys


async def test_the_status_tells_process_counts_refusals_and_privacy(client: httpx.AsyncClient) -> None:
    status = (await client.get("/api/analytics/status")).json()
    assert status["version"] == VERSION
    assert status["accepted"]["metrics"] == 70
    assert status["pending_rows"] == 2
    assert status["refused"][0] == {
        "metric": "odd.metric",
        "reason": "not in the catalogue",
        "remedy": "allow it",
        "count": 4,
        "allows": None,
    }
    assert status["refused"][1]["count"] is None
    assert status["privacy"]["k_anonymity"] == 5
    assert status["privacy"]["network_sharing"] is False


@pytest.mark.parametrize("name", ["insights", "alerts"])
async def test_findings_are_read_from_what_is_stored(
    client: httpx.AsyncClient, service: FakeService, name: str
) -> None:
    assert (await client.get(f"/api/analytics/{name}")).json() == {name: []}
    service.runner.findings = [[1, "trend", "Grows", None, "info", "[]", "2026-11-23 10:00:00", None]]
    [found] = (await client.get(f"/api/analytics/{name}")).json()[name]
    assert (found["id"], found["title"]) == (1, "Grows")


async def test_readiness_follows_the_service_and_says_when_to_ask_again(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    service.is_ready = False
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert (await client.get("/healthz")).status_code == 200


async def test_an_unknown_metric_is_a_problem_that_names_near_ones(client: httpx.AsyncClient) -> None:
    answer = await client.post(QUERY, json={"metric": "nothing.known"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:blackhole:problem:unknown-metric",
        "title": "Not Found",
        "status": 404,
        "detail": "no metric nothing.known: did you mean nothing.knows?",
    }


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"metric": 3}', b'{"metric": "a", "intervall": "1m"}', b"\xff"]
)
async def test_a_body_that_is_no_question_is_a_400(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(QUERY, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["status"] == 400


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_post_takes_json_only(client: httpx.AsyncClient, service: FakeService, media_type: str) -> None:
    answer = await client.post(QUERY, content=b'{"metric": "a"}', headers={"content-type": media_type})
    assert answer.status_code == 415
    assert service.runner.asked == []


async def test_json_with_parameters_is_json(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    assert (await client.post(QUERY, content=b'{"metric": "a"}', headers=headers)).status_code == 200


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient, service: FakeService) -> None:
    answer = await client.post(SQL, json={"sql": "x" * MAX_BODY})
    assert answer.status_code == 413
    assert service.runner.asked == []


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    for answer, status in (
        (await client.get("/nothing"), 404),
        (await client.get(QUERY), 405),
        (await client.get("/assets/../../secret"), 404),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("failure", "status"),
    [(StoreError("the file is locked"), 503), (OverloadedError("later", retry_after=2.2), 503)],
)
async def test_failures_of_the_store_say_that_retrying_helps(
    client: httpx.AsyncClient, service: FakeService, failure: Exception, status: int
) -> None:
    service.runner.failure = failure
    answer = await client.post(QUERY, json={"metric": "a"})
    assert answer.status_code == status
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["detail"] == str(failure)


async def test_an_unexpected_failure_tells_nothing_of_its_text(
    client: httpx.AsyncClient, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.runner.failure = RuntimeError("peer 12D3KooW")
    answer = await client.post(QUERY, json={"metric": "a"})
    assert answer.status_code == 500
    assert "12D3KooW" not in answer.text
    assert "12D3KooW" not in caplog.text
    assert "unexpected RuntimeError" in caplog.text


async def test_too_many_questions_at_once_are_asked_to_come_again(service: FakeService) -> None:
    service.runner.gate = threading.Event()
    async with client_of(service) as client:
        asking = [asyncio.create_task(client.post(QUERY, json={"metric": "a"})) for _ in range(30)]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().status_code for task in done} == {503}
        service.runner.gate.set()
        statuses = [(await task).status_code for task in asking]
    assert statuses.count(200) == 18


async def test_long_statements_leave_a_place_for_other_questions(service: FakeService) -> None:
    service.runner.gate = threading.Event()
    async with client_of(service) as client:
        asking = [asyncio.create_task(client.post(SQL, json={"sql": "SELECT 1"})) for _ in range(4)]
        await asyncio.sleep(0.2)
        asking.append(asyncio.create_task(client.post(QUERY, json={"metric": "a"})))
        await asyncio.sleep(0.2)
        assert service.runner.asked == [("SELECT 1", 1000), Query("a")]
        service.runner.gate.set()
        assert [(await task).status_code for task in asking] == [200] * 5


async def test_the_budget_is_that_of_the_contract(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/analytics/privacy/budget")).json()
    assert {"epsilon", "delta", "spent", "remaining", "period_ends", "metrics"} <= set(answer)
    assert set(answer["metrics"][0]) == {"metric", "share", "spent"}


async def test_the_ledger_is_read_page_by_page(client: httpx.AsyncClient, service: FakeService) -> None:
    ledger = "/api/analytics/privacy/ledger"
    answer = (await client.get(ledger)).json()
    await client.get(ledger, params={"before": 8, "limit": 2})
    assert service.runner.asked == [(None, 100), (8, 2)]
    assert answer["rows"][0]["epsilon"] is None  # infinite
    assert answer["head"] == {"sequence": 7, "hash": "1" * 64, "pending": []}
    for query in ({"before": "-1"}, {"limit": "many"}, {"limit": "9" * 30}):
        assert (await client.get(ledger, params=query)).status_code == 400


async def test_a_metric_is_explained_also_one_with_slashes(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    answer = (await client.get("/api/analytics/privacy/explain/go/heap.bytes")).json()
    assert service.runner.asked == ["go/heap.bytes"]
    assert {
        *("metric", "privacy", "keep", "aggregation", "privacy_unit", "bounds", "max_groups_per_unit"),
        *("max_windows_per_unit", "mechanism", "epsilon", "delta", "rho", "scale", "window"),
        *("expected_error_95", "assumptions", "words"),
    } <= set(answer)
    assert answer["metric"] == "go/heap.bytes"
    assert (await client.get("/api/analytics/privacy/explain/nothing.known")).status_code == 404


async def test_what_was_forgotten_is_told_and_nothing_is_no_question(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/analytics/forget", json={"metric": ["a.b"], "where": {"k": "v"}})
    assert (answer.status_code, answer.json()["rows"]) == (200, {"points": 2})
    assert (await client.post("/api/analytics/forget", json={})).status_code == 400
    assert (await client.post("/api/analytics/forget", json={"metrics": "a"})).status_code == 400


async def test_a_backup_says_where_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/analytics/backup", json={"directory": "/srv/copy"})
    assert answer.json() == {"files": [{"path": "/srv/copy/analytics.duckdb", "bytes": 12}]}
