"""What `blackhole env` prints is what a shell, a YAML parser and a program take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.cli.cli_fakes import Runner
from tests.e2e.service import BLACKHOLE, Service, stored

from blackhole.cli.env import LANGUAGES

PROGRAM = """
import os
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
else:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
reader = PeriodicExportingMetricReader(OTLPMetricExporter())
provider = MeterProvider([reader])
provider.get_meter("shop").create_counter("shop.requests.total").add(7)
provider.shutdown()
"""


def variables(script: str, *, then: str = "env", **environment: str) -> dict[str, str]:
    """What is set once a shell has read the script."""
    told = subprocess.run(
        ["/bin/sh", "-euc", f"{script}\n{then}"],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stderr == ""
    return dict(line.split("=", 1) for line in told.stdout.splitlines())


@pytest.mark.parametrize("language", [None, "python", "node", "java", "go", "rust"])
def test_a_shell_takes_the_lines_and_they_lead_to_port_4318(run: Runner, language: str | None) -> None:
    told = variables(run("env", *([] if language is None else [language])).out)
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert told["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert told["OTEL_METRICS_EXPORTER"] == "otlp"


@pytest.mark.parametrize("language", [None, "python", "node", "java", "go", "rust"])
def test_with_grpc_they_lead_to_port_4317_without_tls(run: Runner, language: str | None) -> None:
    told = variables(run("env", "--grpc", *([] if language is None else [language])).out)
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4317"
    assert told["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc"
    assert told["OTEL_EXPORTER_OTLP_INSECURE"] == "true"


def test_what_goes_to_this_machine_goes_through_no_proxy(run: Runner) -> None:
    told = variables(run("env").out, no_proxy="example.org")
    assert told["no_proxy"] == told["NO_PROXY"] == "127.0.0.1,localhost,::1,example.org"


def test_every_language_is_named_in_the_script_and_in_json(run: Runner) -> None:
    script = run("env").out
    assert all(f"# {language}:" in script for language in LANGUAGES)
    assert tuple(json.loads(run("env", "--json").out)) == LANGUAGES


def test_a_collectors_lines_are_yaml(run: Runner) -> None:
    http = yaml.safe_load(run("env", "collector").out)
    assert http == {"exporters": {"otlphttp/blackhole": {"endpoint": "http://127.0.0.1:4318"}}}
    grpc = yaml.safe_load(run("env", "collector", "--grpc").out)
    exporter = {"endpoint": "127.0.0.1:4317", "tls": {"insecure": True}}
    assert grpc == {"exporters": {"otlp/blackhole": exporter}}


def test_a_browser_is_pointed_at_http_whatever_was_asked(run: Runner) -> None:
    for arguments in ((), ("--grpc",)):
        assert 'url: "http://127.0.0.1:4318/v1/metrics"' in run("env", "browser", *arguments).out


def test_token_and_certificate_are_named_and_the_token_is_not_printed(run: Runner, tmp_path: Path) -> None:
    secret = tmp_path / "it's a token"
    secret.write_text("s3cr3t-token-of-32-characters-abc\n")
    secret.chmod(0o600)
    config = tmp_path / "analytics.yaml"
    own = {"token_file": str(secret), "tls_cert": "/etc/own.pem", "tls_key": "/etc/own.key"}
    config.write_text(json.dumps({"analytics": {"otlp": own}}))
    script = run("env", "--config", str(config)).out
    assert "s3cr3t" not in script
    told = variables(script)
    assert told["OTEL_EXPORTER_OTLP_HEADERS"] == "authorization=Bearer%20s3cr3t-token-of-32-characters-abc"
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://127.0.0.1:4318"
    assert told["OTEL_EXPORTER_OTLP_CERTIFICATE"] == "/etc/own.pem"
    collector = yaml.safe_load(run("env", "collector", "--config", str(config)).out)
    assert collector["exporters"]["otlphttp/blackhole"]["tls"] == {"ca_file": "/etc/own.pem"}
    assert collector["extensions"]["bearertokenauth/blackhole"] == {"filename": str(secret)}


@pytest.mark.parametrize("more", ["", "--grpc"])
def test_a_python_program_that_was_started_with_them_reaches_the_running_service(
    more: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with Service(data) as service:
        script = f'eval "$({BLACKHOLE} env {more} --data-dir {data})"; exec {sys.executable} -c "$PROGRAM"'
        variables(script, then="", PROGRAM=PROGRAM, OTEL_SERVICE_NAME="shop")
        assert service.stop() == 0
    sql = "SELECT value FROM metrics WHERE metric_name = 'shop.requests.total'"
    assert stored(data, sql) == [(7.0,)]


@pytest.mark.parametrize("more", [(), ("--grpc",)])
@pytest.mark.parametrize("language", ["python", "node", "java", "go", "rust"])
def test_each_language_is_told_to_give_its_program_a_name(
    run: Runner, language: str, more: tuple[str, ...]
) -> None:
    """Without one all of them are `unknown_service`."""
    assert "# export OTEL_SERVICE_NAME=your-service" in run("env", language, *more).out.splitlines()


@pytest.mark.parametrize("more", [(), ("--grpc",)])
@pytest.mark.parametrize("language", ["go", "rust"])
def test_a_file_to_copy_is_printed_and_a_shell_reads_over_it(
    run: Runner, language: str, more: tuple[str, ...]
) -> None:
    printed = run("env", language, *more).out
    name = {"go": "telemetry.go", "rust": "src/telemetry.rs"}[language]
    assert printed.count(f"\n{name}\n") == printed.count(f": <<'{name}'\n") == 1
    assert "OTEL_SERVICE_NAME" not in variables(printed)
    whole = run("env", *more).out
    assert "<<" not in whole
    assert f"`blackhole env {language}` prints it" in whole


def test_node_asks_no_cloud_what_machine_it_is_on(run: Runner) -> None:
    detectors = variables(run("env", "node").out)["OTEL_NODE_RESOURCE_DETECTORS"].split(",")
    assert {"env", "process"} <= set(detectors)
    assert not {"all", "aws", "gcp", "azure", "alibaba"} & set(detectors)


def test_with_a_certificate_rust_is_told_of_the_features_that_its_tls_needs(
    run: Runner, tmp_path: Path
) -> None:
    config = tmp_path / "analytics.yaml"
    config.write_text(json.dumps({"analytics": {"otlp": {"tls_cert": "/own.pem", "tls_key": "/own.key"}}}))
    http = run("env", "rust", "--config", str(config)).out
    grpc = run("env", "rust", "--grpc", "--config", str(config)).out
    assert "# cargo add opentelemetry-otlp --features reqwest-rustls\n" in http
    assert "# cargo add opentelemetry-otlp --features grpc-tonic,tls-ring,tls-roots\n" in grpc
    assert "with_tls_config(" in grpc
    assert all("# export SSL_CERT_FILE=/own.pem\n" in printed for printed in (http, grpc))
