import { render } from "preact";
import { afterEach, expect, it, vi } from "vitest";
import { budget, now, services, sparks, status, take } from "../state";
import { Track } from "../track";
import type { ServiceHealth, Status } from "../wire";
import { Empty } from "./empty";
import { Header } from "./header";
import { Health, runs } from "./health";
import { Notes } from "./notes";
import { RefusedPanel } from "./refused";

const place = document.createElement("div");

afterEach(() => {
  render(null, place);
  services.value = null;
  status.value = null;
  budget.value = null;
});

function health(overrides: Partial<ServiceHealth>): ServiceHealth {
  return {
    service: "identity",
    up: true,
    request_rate: 10,
    error_rate: 0,
    p95_ms: 12.4,
    cpu_percent: 3,
    memory_bytes: 62e6,
    last_seen: new Date().toISOString(),
    ...overrides,
  };
}

it("shows a service that answers, one that fails and one that fell silent", () => {
  services.value = [
    health({}),
    health({ service: "node", error_rate: 1 }),
    health({ service: "social", up: false, request_rate: null, last_seen: null }),
  ];
  render(<Health />, place);
  const states = [...place.querySelectorAll(".pill")].map((pill) => pill.textContent);
  expect(states).toEqual(["Up", "Errors", "Silent"]);
  expect(place.textContent).toContain("2 of 3 reporting");
  expect(place.textContent).toContain("12.4 ms");
  expect(place.textContent).toContain("never");
});

it("calls no program silent that ended well or is waited for, and what is scraped in vain down", () => {
  services.value = [
    health({ service: "a-job", up: false, state: "ended" }),
    health({ service: "b-late", up: true, state: "waiting" }),
    health({ service: "c-target", up: false, state: "down" }),
  ];
  render(<Health />, place);
  const states = [...place.querySelectorAll(".pill")].map((pill) => pill.textContent);
  expect(states).toEqual(["Ended", "Waiting", "Down"]);
  expect(place.textContent).toContain("1 of 2 reporting");
});

it("shows why a metric was refused, and counts nothing that is protected", () => {
  const refused = [
    {
      metric: "odd.metric",
      reason: "not in the catalogue",
      remedy: "allow it",
      count: 4,
      allows: "counter",
    },
    { metric: "user.active", reason: "waits for noise", remedy: "wait", count: null, allows: null },
  ];
  status.value = { refused } as unknown as Status;
  render(<RefusedPanel />, place);
  const rows = [...place.querySelectorAll("tbody tr")].map((row) => row.textContent);
  expect(rows).toEqual([
    "odd.metricnot in the catalogueallow it4Allow…",
    "user.activewaits for noisewaitnot counted",
  ]);
});

it("offers what allowing by name mends, and no button for the rest", () => {
  const reason = "the catalogue has another type for it";
  const refused = [
    { metric: "a.b", reason, remedy: "send the type", count: 1, allows: "gauge" },
    { metric: "c.d", reason, remedy: "send the type", count: 1, allows: null },
    { metric: "e.f", reason: "not in the catalogue", remedy: "allow", count: 1, allows: null },
  ];
  status.value = { refused } as unknown as Status;
  render(<RefusedPanel />, place);
  const buttons = [...place.querySelectorAll("button")].map((button) => button.textContent);
  expect(buttons).toEqual(["Take the gauge…"]);
});

it("says that nothing was changed where the answer says so", async () => {
  const metric = "a.b";
  const reason = "the catalogue has another type for it";
  const refused = [{ metric, reason, remedy: "send the type", count: 1, allows: "gauge" }];
  status.value = { refused } as unknown as Status;
  HTMLDialogElement.prototype.showModal = function show() {
    this.open = true;
  };
  const asked = vi.fn(async (_: unknown, __?: RequestInit) =>
    Response.json({ allowed: [], already: [metric], file: "catalogue.yaml" }),
  );
  vi.stubGlobal("fetch", asked);
  render(<RefusedPanel />, place);
  place.querySelector<HTMLButtonElement>("td button")?.click();
  await vi.waitFor(() => expect(place.querySelector("form")).not.toBeNull());
  place.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  await vi.waitFor(() => expect(place.textContent).toContain("Nothing was changed"));
  expect(place.textContent).not.toContain("from here on.");
  expect(JSON.parse(String(asked.mock.calls[0]?.[1]?.body))).toEqual({
    names: [metric],
    type: "gauge",
  });
  vi.unstubAllGlobals();
});

const privacy: Status["privacy"] = {
  differential_privacy: true,
  k_anonymity: 5,
  sensitive_window: 60,
  release_window: 3600,
  privacy_budget: 2,
  retention_period: 86400,
  network_sharing: false,
};

it("shows what is left of the privacy budget once the stream has told it", async () => {
  status.value = { privacy } as unknown as Status;
  render(<Header />, place);
  expect(place.textContent).not.toContain("Privacy budget");
  const timestamp = new Date().toISOString();
  const data = { remaining: 1.5, period_ends: "2026-11-24T00:00:00Z", released: null };
  take({ type: "privacy", sequence: 1, timestamp, data });
  await vi.waitFor(() => expect(place.textContent).toContain("Privacy budget 75 % left"));
});

it("says what is in force while the clock is doubted", () => {
  const note = "The clock is doubted: it was set by 3 days while the service ran.";
  status.value = { notes: [note] } as unknown as Status;
  render(<Notes />, place);
  expect(place.textContent).toBe(note);
  status.value = {} as unknown as Status;
  render(<Notes />, place);
  expect(place.textContent).toBe("");
});

it("shows no budget where differential privacy is off", () => {
  status.value = { privacy: { ...privacy, differential_privacy: false } } as unknown as Status;
  budget.value = { remaining: 0, period_ends: "2026-11-24T00:00:00Z", released: null };
  render(<Header />, place);
  expect(place.textContent).not.toContain("Privacy budget");
  expect(place.textContent).toContain("No noise");
});

it("tells a newcomer the address that this service really listens on", () => {
  status.value = {
    endpoints: { otlp_grpc: "127.0.0.1:54320", otlp_http: "127.0.0.1:54321" },
  } as unknown as Status;
  render(<Empty />, place);
  expect(place.querySelector("pre")?.textContent).toContain(
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:54321\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n",
  );
});

it("tells who cannot reach the service while nothing has arrived", () => {
  const words = "something on this machine speaks TLS to port 4318, which is plain";
  const remedy = "set OTEL_EXPORTER_OTLP_INSECURE=true";
  status.value = { endpoints: {}, turned_away: [{ words, remedy }] } as unknown as Status;
  render(<Empty />, place);
  expect(place.textContent).toContain(`${words}: ${remedy}`);
});

it("draws a sparkline in unbroken stretches within its frame", () => {
  const track = new Track();
  for (const time of [0, 10, 20, 30, 200, 210]) track.push(time, time);
  now.value = 210;
  sparks.set("identity", track);
  const found = runs(track, 210);
  expect(found).toHaveLength(2);
  for (const pair of found.join(" ").split(" ")) {
    const [x = -1, y = -1] = pair.split(",").map(Number);
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x).toBeLessThanOrEqual(240);
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThanOrEqual(34);
  }
});
