"""Turns where the service listens into lines that point programs of any language there (`blackhole env`)."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import click

from blackhole.cli.options import PlaceOption, reading
from blackhole.config import Config

_PORTS = {"otlp_grpc": 4317, "otlp_http": 4318}
_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  (what is listened on, not where to)
LANGUAGES = ("python", "node", "java", "go", "rust", "collector", "browser")

_NO_PROXY = """\
export no_proxy="127.0.0.1,localhost,::1${no_proxy:+,$no_proxy}"
export NO_PROXY="$no_proxy\""""

# A file of the user's program stands in a here-document that a shell reads over, so that it can be copied.
_PYTHON = """\
# pip install opentelemetry-distro opentelemetry-exporter-otlp
# opentelemetry-bootstrap -a install      # what measures your frameworks, Flask for one
# export OTEL_SERVICE_NAME=your-service
# opentelemetry-instrument python your_program.py"""

_NODE = """\
export OTEL_NODE_RESOURCE_DETECTORS=env,host,os,process,serviceinstance
# npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node
# export OTEL_SERVICE_NAME=your-service
# node --require @opentelemetry/auto-instrumentations-node/register your_program.js
# ES modules need this before `--require`: --experimental-loader @opentelemetry/instrumentation/hook.mjs"""

_AGENT = "io.opentelemetry.javaagent:opentelemetry-javaagent"
_JAVA = f"""\
# mvn dependency:copy -Dartifact={_AGENT}:RELEASE -DoutputDirectory=. -Dmdep.stripVersion=true
# export OTEL_SERVICE_NAME=your-service
# java -javaagent:opentelemetry-javaagent.jar -jar your_program.jar
# The agent is {_AGENT} on Maven Central, for Gradle too.
# Counters of your own: GlobalOpenTelemetry.getMeter("your-service"), of io.opentelemetry:opentelemetry-api"""

_GO_PROGRAM = """\
# go get go.opentelemetry.io/otel/sdk/metric
# go get go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetric{kind}
# export OTEL_SERVICE_NAME=your-service
# Beside main.go stands the file below. In main, first: provider, err := startMetrics(ctx)
# and before main returns, or the last numbers are lost: provider.Shutdown(ctx)
: <<'telemetry.go'
package main

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetric{kind}"
	"go.opentelemetry.io/otel/sdk/metric"
)

func startMetrics(ctx context.Context) (*metric.MeterProvider, error) {{
	exporter, err := otlpmetric{kind}.New(ctx)
	if err != nil {{
		return nil, err
	}}
	provider := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(exporter)))
	otel.SetMeterProvider(provider)
	return provider, nil
}}
telemetry.go"""

_RUST = """\
{install}
# export OTEL_SERVICE_NAME=your-service
# Beside main.rs stands the file below, named in it: mod telemetry;
# In main, first{within}: let provider = telemetry::start()?;
# and before main returns, or the last numbers are lost: provider.shutdown()?;
: <<'src/telemetry.rs'
{uses}
use opentelemetry_sdk::metrics::SdkMeterProvider;

pub fn start() -> Result<SdkMeterProvider, ExporterBuildError> {{
    let exporter = MetricExporter::builder().{kind}.build()?;
    let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).build();
    opentelemetry::global::set_meter_provider(provider.clone());
    Ok(provider)
}}
src/telemetry.rs"""

_BROWSER = """\
// npm install @opentelemetry/sdk-metrics @opentelemetry/exporter-metrics-otlp-http
// A page needs leave to send: analytics.otlp.allowed_origins: ["https://your-page.example"]
import {{ MeterProvider, PeriodicExportingMetricReader }} from "@opentelemetry/sdk-metrics";
import {{ OTLPMetricExporter }} from "@opentelemetry/exporter-metrics-otlp-http";
const exporter = new OTLPMetricExporter({{ url: "{url}/v1/metrics"{headers} }});
const provider = new MeterProvider({{ readers: [new PeriodicExportingMetricReader({{ exporter }})] }});"""


@dataclass(frozen=True, slots=True)
class EnvTarget:
    """Where to send, and what has to come along; files are named, never read."""

    grpc: bool
    address: str
    http_address: str
    token_file: str = ""
    certificate: str = ""

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self.address}"

    @property
    def http_url(self) -> str:
        return f"{self._scheme}://{self.http_address}"

    @property
    def _scheme(self) -> str:
        return "https" if self.certificate else "http"

    @property
    def is_local(self) -> bool:
        return urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}


@click.command("env")
@click.argument("language", required=False, type=click.Choice(LANGUAGES))
@click.option("--grpc", is_flag=True, help="OTLP over gRPC (port 4317), where HTTP (port 4318) is usual.")
@reading
def command(place: PlaceOption, language: str | None, grpc: bool) -> None:
    """Print the lines that point programs here: `eval "$(blackhole env)"`.

    With a LANGUAGE only its own, as they are: YAML for a Collector, JavaScript for a browser.
    """
    target = _target(place, place.config(), grpc=grpc)
    snippets = lines(target)
    if place.as_json:
        click.echo(json.dumps(snippets if language is None else {language: snippets[language]}))
    elif language is not None:
        click.echo(snippets[language])
    else:
        click.echo(script(target, snippets))


def lines(target: EnvTarget) -> Mapping[str, str]:
    """By language what points a program of it here."""
    shell = "\n".join(_exports(target))
    told = {
        "python": _PYTHON,
        "node": _NODE,
        "java": _JAVA,
        "go": _GO_PROGRAM.format(kind="grpc" if target.grpc else "http"),
        "rust": _rust(target),
    }
    own = {language: f"{shell}\n{text}" for language, text in told.items()}
    return {**own, "collector": _collector(target), "browser": _browser(target)}


def _rust(target: EnvTarget) -> str:
    """The crate does TLS only with features of its own, and reads no certificate from a variable."""
    secure = target.certificate
    features = ["grpc-tonic", *(["tls-ring", "tls-roots"] if secure else ())] if target.grpc else []
    features += ["reqwest-rustls"] if secure and not target.grpc else []
    more = f" --features {','.join(features)}" if features else ""
    install = ["# cargo add opentelemetry opentelemetry_sdk", f"# cargo add opentelemetry-otlp{more}"]
    install += ["# cargo add tokio --features macros,rt-multi-thread"] if target.grpc else []
    install += [f"# export SSL_CERT_FILE={shlex.quote(secure)}"] if secure else []
    uses, kind = "{ExporterBuildError, MetricExporter}", "with_tonic()" if target.grpc else "with_http()"
    transport = ""
    if secure and target.grpc:
        transport = "use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;\n"
        uses = "{ExporterBuildError, MetricExporter, WithTonicConfig}"
        kind += ".with_tls_config(ClientTlsConfig::new().with_native_roots())"
    return _RUST.format(
        install="\n".join(install),
        within=", under #[tokio::main]" if target.grpc else "",
        uses=f"{transport}use opentelemetry_otlp::{uses};",
        kind=kind,
    )


def script(target: EnvTarget, snippets: Mapping[str, str]) -> str:
    """All of it as one shell script: the variables that every SDK reads, and the rest as comments."""
    shell = _exports(target)
    named = "# Give each program its own name: export OTEL_SERVICE_NAME=your-service"
    parts = ["# Every OpenTelemetry SDK reads these:", *shell, named]
    for language, snippet in snippets.items():
        own = [line for line in _without_file(snippet, language).splitlines() if line not in shell]
        plain = (line.removeprefix("# ") if language in LANGUAGES[:5] else line for line in own)
        parts += ["", f"# {language}:", *(f"#   {line}" for line in plain)]
    return "\n".join(parts)


def _without_file(snippet: str, language: str) -> str:
    """A file of many lines is better copied from where it stands alone."""
    told, file, _ = snippet.partition(": <<'")
    return f"{told}# The file: `blackhole env {language}` prints it." if file else told


def _exports(target: EnvTarget) -> list[str]:
    values = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": target.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if target.grpc else "http/protobuf",
        # Otherwise some SDKs export nothing but spans, and others every minute only.
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
    }
    if target.certificate:
        values["OTEL_EXPORTER_OTLP_CERTIFICATE"] = target.certificate
    elif target.grpc:
        values["OTEL_EXPORTER_OTLP_INSECURE"] = "true"
    told = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    if target.token_file:
        secret = f"$(head -n 1 {shlex.quote(target.token_file)})"
        told.append(f'export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20{secret}"')
    return [*told, *(_NO_PROXY.splitlines() if target.is_local else ())]


def _collector(target: EnvTarget) -> str:
    kind = "otlp" if target.grpc else "otlphttp"
    endpoint = target.address if target.grpc else target.url
    parts = [
        "exporters:",
        f"  {kind}/blackhole:",
        f"    endpoint: {json.dumps(endpoint)}",
        *(["    tls:", f"      ca_file: {json.dumps(target.certificate)}"] if target.certificate else ()),
        *(["    tls:", "      insecure: true"] if target.grpc and not target.certificate else ()),
    ]
    if target.token_file:
        parts += [
            "    auth:",
            "      authenticator: bearertokenauth/blackhole",
            "extensions:",
            "  bearertokenauth/blackhole:",
            f"    filename: {json.dumps(target.token_file)}",
        ]
    return "\n".join([*parts, f"# and in each pipeline of yours: exporters: [{kind}/blackhole]"])


def _browser(target: EnvTarget) -> str:
    headers = ', headers: { authorization: "Bearer TOKEN" }' if target.token_file else ""
    said = ["// Browsers speak no gRPC: this is OTLP over HTTP."] if target.grpc else []
    return "\n".join([*said, _BROWSER.format(url=target.http_url, headers=headers)])


def _target(place: PlaceOption, config: Config, *, grpc: bool) -> EnvTarget:
    from blackhole.cli.source import endpoints  # noqa: PLC0415

    told = endpoints(place, config)
    found = {key: _reachable(told.get(key) or f"127.0.0.1:{port}") for key, port in _PORTS.items()}
    return EnvTarget(
        grpc,
        found["otlp_grpc" if grpc else "otlp_http"],
        found["otlp_http"],
        config.otlp.token_file,
        config.otlp.tls_cert,
    )


def _reachable(address: str) -> str:
    host, colon, port = address.rpartition(":")
    return f"{_ANY.get(host, host)}{colon}{port}"
