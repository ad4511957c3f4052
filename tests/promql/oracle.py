"""Asks Prometheus for its answers to the expressions of tests/golden/promql, and writes them there.

`make promql-golden` builds Prometheus with Go (some minutes, once) and runs this.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.processes import free_port
from tests.promql.data import BASE, open_metrics
from tests.promql.naming import BOUNDS, CASES

# v0.313.5 of the Go module is Prometheus 3.13.5.
MODULE = "github.com/prometheus/prometheus@v0.313.5"
ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build" / "prometheus"
GOLDEN = ROOT / "tests" / "golden" / "promql"
ANSWERS = GOLDEN / "answers.json"
NAMES = GOLDEN / "names.json"

# The answers at one time that have an order.
ORDERED = ("sort", "topk", "bottomk")
EXPERIMENTAL = "--enable-feature=promql-experimental-functions"
MOMENT = BASE + 2_411_777
START, END, STEP = BASE + 310_500, BASE + 3_830_500, 352_000

_KINDS = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}

Api = str


def expressions() -> list[str]:
    lines = (GOLDEN / "expressions.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def questions(expression: str) -> dict[str, dict[str, str]]:
    """The parameters of each way of asking, by the name of the endpoint."""
    return {
        "query": {"query": expression, "time": str(MOMENT / 1000)},
        "query_range": {
            "query": expression,
            "start": str(START / 1000),
            "end": str(END / 1000),
            "step": str(STEP / 1000),
        },
    }


def build() -> None:
    """Makes promtool and prometheus, without service discovery, which is most of the work."""
    if is_built():
        return
    if shutil.which("go") is None:
        sys.exit("Go is not installed: Prometheus cannot be built")
    BUILD.mkdir(parents=True, exist_ok=True)
    found = subprocess.run(
        ["go", "mod", "download", "-json", MODULE], cwd=BUILD, check=True, capture_output=True, text=True
    )
    sources = BUILD / "src"
    shutil.rmtree(sources, ignore_errors=True)
    # The module refuses `go install` because of its replacements, and the module cache cannot be written.
    shutil.copytree(json.loads(found.stdout)["Dir"], sources)
    subprocess.run(["chmod", "-R", "u+w", str(sources)], check=True)
    for program in ("promtool", "prometheus"):
        subprocess.run(
            ["nice", "go", "build", "-tags", "remove_all_sd", "-o", str(BUILD / program), f"./cmd/{program}"],
            cwd=sources,
            env={**os.environ, "GOWORK": "off"},
            check=True,
        )


@contextmanager
def prometheus(*flags: str, lines: Iterator[str] | None = None) -> Iterator[Api]:
    """A Prometheus on loopback with `lines` of OpenMetrics in its blocks. Gives the address of its API."""
    with TemporaryDirectory() as temporary:
        directory = Path(temporary)
        (directory / "prometheus.yml").write_text("otlp: {}\n", encoding="utf-8")
        if lines is not None:
            (directory / "data.om").write_text("".join(lines), encoding="utf-8")
            loading = ["tsdb", "create-blocks-from", "openmetrics", "data.om", "data"]
            subprocess.run(
                [str(BUILD / "promtool"), *loading], cwd=directory, check=True, capture_output=True
            )
        port = free_port()
        command = [
            str(BUILD / "prometheus"),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            *flags,
        ]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
        try:
            _wait_until_ready(port, process)
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.terminate()
            process.wait(30)


def is_built() -> bool:
    return (BUILD / "prometheus").is_file() and (BUILD / "promtool").is_file()


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Prometheus does not start")


def ask(api: Api, endpoint: str, parameters: dict[str, str]) -> Any:
    """The `data` of an answer, or its error as text."""
    url = f"{api}/{endpoint}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - loopback
            return json.load(response)["data"]
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]


def answers_to(api: Api, expression: str) -> dict[str, Any]:
    """By the name of the endpoint."""
    return {
        endpoint: ask(api, endpoint, parameters) for endpoint, parameters in questions(expression).items()
    }


def otlp() -> bytes:
    """The metrics of `naming.CASES`, one point each, now, with the number of the case as an attribute."""
    now = str(time.time_ns())
    metrics = []
    for number, (name, unit, kind, attributes) in enumerate(CASES):
        pairs = [
            {"key": key, "value": {_KINDS[type(value)]: value}}
            for key, value in {**attributes, "case": str(number)}.items()
        ]
        point: dict[str, Any] = {"timeUnixNano": now, "startTimeUnixNano": now, "attributes": pairs}
        totals = {"aggregationTemporality": 2, "isMonotonic": kind == "counter"}
        if kind == "histogram":
            counts = ["1"] + ["0"] * len(BOUNDS)
            point |= {"count": "1", "sum": 1, "bucketCounts": counts, "explicitBounds": list(BOUNDS)}
            data: dict[str, Any] = {"histogram": {"dataPoints": [point], "aggregationTemporality": 2}}
        elif kind == "gauge":
            data = {"gauge": {"dataPoints": [point | {"asDouble": 1}]}}
        else:
            data = {"sum": {"dataPoints": [point | {"asDouble": 1}], **totals}}
        metrics.append({"name": name, "unit": unit, **data})
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]}
    request = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}
    return json.dumps(request).encode()


def names(api: Api) -> dict[str, list[dict[str, str]]]:
    """The labels of all series that Prometheus makes of each case."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{api}/otlp/v1/metrics", otlp(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310 - loopback
    found: dict[str, list[dict[str, str]]] = {str(number): [] for number in range(len(CASES))}
    for labels in ask(api, "series", {"match[]": '{case!=""}'}):
        found[labels.pop("case")].append(labels)
    return {
        number: sorted(series, key=lambda labels: sorted(labels.items())) for number, series in found.items()
    }


def _sort(answer: Any) -> None:
    """What has no order in Prometheus gets one, so that the file changes only with the answers."""
    if not isinstance(answer, str) and answer["resultType"] == "vector":
        answer["result"].sort(key=lambda entry: sorted(entry["metric"].items()))


def main() -> None:
    build()
    with prometheus("--web.enable-otlp-receiver") as api:
        NAMES.write_text(json.dumps(names(api), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    answers: dict[str, dict[str, Any]] = {}
    with prometheus(EXPERIMENTAL, lines=open_metrics()) as api:
        for expression in expressions():
            answers[expression] = answers_to(api, expression)
            if not expression.startswith(ORDERED):
                _sort(answers[expression]["query"])
    lines = (f"{json.dumps(e)}: {json.dumps(a, separators=(',', ':'))}" for e, a in answers.items())
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(answers)} expressions answered: {ANSWERS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
