// Records measurements and exports them with OpenTelemetry's own SDK; prints how many points it sent.
// node send.mjs grpc|http|proto ENDPOINT delta|cumulative ROUNDS

import { OTLPMetricExporter as GrpcExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import {
  AggregationTemporalityPreference,
  OTLPMetricExporter as HttpExporter,
} from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter as ProtoExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";

const [kind, endpoint, temporality, rounds] = process.argv.slice(2);
const Exporter = { grpc: GrpcExporter, http: HttpExporter, proto: ProtoExporter }[kind];
const exporter = new Exporter({
  url: kind === "grpc" ? endpoint : `${endpoint}/v1/metrics`,
  temporalityPreference: AggregationTemporalityPreference[temporality.toUpperCase()],
});

const sent = { points: 0, exports: 0, failures: [] };
const send = exporter.export.bind(exporter);
exporter.export = (batch, done) => {
  const metrics = batch.scopeMetrics.flatMap((scope) => scope.metrics);
  sent.points += metrics.reduce((sum, metric) => sum + metric.dataPoints.length, 0);
  sent.exports += 1;
  send(batch, (result) => {
    if (result.code !== 0) sent.failures.push(String(result.error));
    done(result);
  });
};

const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
const provider = new MeterProvider({ readers: [reader] });
const meter = provider.getMeter("client");
const client = `js-${kind}-${temporality}`;
const requests = meter.createCounter("clients.requests", { unit: "{request}" });
const open = meter.createUpDownCounter("clients.open", { unit: "{connection}" });
const heat = meter.createGauge("clients.heat", { unit: "Cel" });
const latency = meter.createHistogram("clients.latency", { unit: "s" });

for (let round = 1; round <= Number(rounds); round += 1) {
  for (const path of ["/a", "/b"]) {
    requests.add(round, { client, path });
    open.add(round % 2 ? 3 : -1, { client, path });
    heat.record(round + 0.5, { client, path });
    latency.record(round / 8, { client, path });
  }
  await provider.forceFlush();
}
await provider.shutdown();
console.log(JSON.stringify(sent));
