import { type ComponentChild, render } from "preact";
import { afterEach, expect, it } from "vitest";
import { keyOf } from "../course";
import { services, take } from "../state";
import type { ServiceHealth, ServicesReport, ServiceWork, Sources } from "../wire";
import { callKey, callsOf, changesOfCalls, keysOf } from "../work";
import { watchedOf } from "./changes-list";
import { Health } from "./health";
import { ErrorKinds, noErrors, SlowestMethods } from "./methods";
import { ServiceTable } from "./services";

const place = document.createElement("div");
const moment = "2026-01-01T12:00:00Z";

afterEach(() => {
  render(null, place);
  services.value = null;
});

function show(what: ComponentChild): string[] {
  render(what, place);
  return [...place.querySelectorAll("tbody tr")].map((row) =>
    [...row.querySelectorAll("th, td")]
      .map((cell) => cell.textContent?.trim().replace(/\s/g, " "))
      .join(" | "),
  );
}

const sources = (metric: string, more: Partial<Sources> = {}): Sources => ({
  requests: [metric],
  errors: [metric],
  durations: [metric],
  cpu: [],
  memory: [],
  filters: {},
  ...more,
});

const FLASK = "http.server.duration";

const shop: ServiceHealth = {
  service: "shop",
  up: true,
  request_rate: 1.44,
  error_rate: 0.144,
  p95_ms: 19,
  cpu_percent: 9,
  memory_bytes: 6e7,
  last_seen: moment,
  processes: 3,
  sources: sources(FLASK),
};

const work: ServiceWork = {
  service: "shop",
  requests: 5184,
  errors: 518,
  p95_ms: 19,
  methods: [
    {
      method: "GET /hello/{i}",
      requests: 5000,
      errors: 518,
      p95_ms: 19,
      metric: FLASK,
      attributes: { "http.method": "GET", "http.route": "/hello/{i}" },
    },
    { method: "GET", requests: 184, errors: 0, p95_ms: null, metric: FLASK, attributes: {} },
  ],
  kinds: [{ kind: "500", method: "GET /hello/{i}", errors: 518 }],
  sources: sources(FLASK),
};

const report = (...found: ServiceWork[]): ServicesReport => ({
  start_time: moment,
  end_time: moment,
  services: found,
  notes: [],
});

const told = (list: ServiceHealth[]) =>
  take({ type: "service_health", sequence: 1, timestamp: moment, data: { services: list } });

it("says of now on Overview and Performance what one document says", () => {
  told([shop]);
  render(<Health />, place);
  const card = place.textContent;
  for (const text of ["1.44/s", "0.144/s", "3 processes"]) expect(card).toContain(text);
  const titles = [...place.querySelectorAll("[title]")].map((one) => one.getAttribute("title"));
  expect(titles).toContain(`by ${FLASK}`);
  const [row] = show(<ServiceTable report={report(work)} />);
  expect(row).toBe(`shop | 1.44/s | 0.144/s | 5 184 | 518 (9.99%) | 19 ms | ${FLASK}`);
});

it("shows the methods with whole routes, and errors by kind", () => {
  expect(show(<SlowestMethods work={{ report: report(work), changes: new Map() }} />)).toEqual([
    "GET /hello/{i} | shop | 19 ms | 5 000 | 518 | Steady",
  ]);
  expect(show(<ErrorKinds report={report(work)} />)).toEqual(["500 | shop | GET /hello/{i} | 518"]);
});

it("shows what nothing tells as unknown, and says why there are no errors", () => {
  const plain = { ...work, service: "plain", errors: null, kinds: [], p95_ms: null };
  told([{ ...shop, service: "plain", error_rate: null, p95_ms: null }]);
  const [row] = show(<ServiceTable report={report(plain)} />);
  expect(row).toMatch(/^plain \| 1\.44\/s \| – \| 5 184 \| – \| – \|/);
  expect(noErrors(report(plain))).toBe(
    "Nothing tells which requests of plain failed: no status is sent.",
  );
  const fine = { ...work, errors: 0, kinds: [] };
  expect(noErrors(report(fine))).toBe("No errors in this range.");
  expect(noErrors(report(fine, plain))).toContain("No other service had errors");
  expect(noErrors(report())).toBe("No requests in this range.");
});

it("tells since when a method is slow by its own series alone", () => {
  const [call] = callsOf(report(work));
  if (call === undefined) throw new Error("there is one");
  const keys = keysOf([call]);
  expect(keys).toEqual(["service.name", "http.method", "http.route"]);
  const key = (route: string) =>
    keyOf({ "service.name": "shop", "http.method": "GET", "http.route": route });
  const changes = new Map([
    [key("/other"), { before: 1, after: 9, since: 60 }],
    [key("/hello/{i}"), { before: 0.01, after: 0.02, since: 1500, afterOver: true }],
  ]);
  expect(changesOfCalls([call], keys, changes, "s")).toEqual([
    [callKey(call), { before: 10, after: 20, since: 1500, afterOver: true }],
  ]);
});

it("says of a bucket without an end where it begins", () => {
  const slow = { ...work, p95_over: true };
  slow.methods = work.methods.map((method) => ({ ...method, p95_over: true }));
  told([{ ...shop, p95_over: true }]);
  expect(show(<ServiceTable report={report(slow)} />)[0]).toContain("> 19 ms");
  const [row] = show(<SlowestMethods work={{ report: report(slow), changes: new Map() }} />);
  expect(row).toContain("> 19 ms");
});

it("watches each service by the metric that tells it", () => {
  const spans = sources("traces.span.metrics.calls", {
    durations: ["traces.span.metrics.duration"],
    cpu: ["process.cpu.time"],
    filters: { "span.kind": ["SPAN_KIND_SERVER"] },
  });
  const other = { ...shop, service: "mail", sources: spans };
  const third = { ...shop, service: "till", sources: sources(FLASK) };
  expect(watchedOf([shop, other, third]).map(({ metric, filters }) => [metric, filters])).toEqual([
    [FLASK, { "service.name": ["shop", "till"] }],
    [
      "traces.span.metrics.duration",
      { "span.kind": ["SPAN_KIND_SERVER"], "service.name": ["mail"] },
    ],
    ["process.cpu.time", { "service.name": ["mail"] }],
  ]);
});
