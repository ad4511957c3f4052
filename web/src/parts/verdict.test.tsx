import { render } from "preact";
import { afterEach, expect, it } from "vitest";
import { Overview } from "../pages/overview";
import { connection, services, take, verdict } from "../state";
import type { Verdict } from "../wire";
import { Picker } from "./picker";
import { VerdictLine } from "./verdict";

const place = document.createElement("div");

afterEach(() => {
  render(null, place);
  verdict.value = null;
  services.value = null;
  connection.value = "connecting";
});

const down: Verdict = {
  state: "down",
  sentence: "Down: node: no peers online.",
  since: "2026-01-01T05:12:00Z",
  reasons: [
    {
      kind: "limit",
      service: "node",
      words: "node: no peers online",
      detail: "There were some before.",
      since: "2026-01-01T05:12:00Z",
      down: true,
    },
  ],
};

const tell = (told: Verdict) =>
  take({
    type: "service_health",
    sequence: 1,
    timestamp: "2026-01-01T05:13:00Z",
    data: { services: [], verdict: told },
  });

it("says what is down in the first line of the Overview, as the service judges", () => {
  connection.value = "live";
  tell(down);
  services.value = [
    {
      service: "node",
      up: true,
      request_rate: 1,
      error_rate: 0,
      p95_ms: 1,
      cpu_percent: 1,
      memory_bytes: 1,
      last_seen: null,
    },
  ];
  render(<Overview />, place);
  const first = place.querySelector("h1")?.nextElementSibling;
  expect(first?.className).toBe("verdict verdict-down");
  expect(first?.textContent).toContain("Down: node: no peers online.");
  expect(first?.textContent).toContain("since");
});

it("does not call the range live beside Reconnecting", () => {
  const words = () => place.querySelector(".live-mark")?.textContent;
  connection.value = "live";
  render(<Picker />, place);
  expect(words()).toBe("live");
  connection.value = "reconnecting";
  render(<Picker key="again" />, place);
  expect(words()).toBe("paused");
  expect(place.querySelector(".live-mark")?.className).toContain("live-paused");
});

it("calls nothing steady while it cannot know", () => {
  tell({ state: "steady", sentence: "Steady: all.", since: null, reasons: [] });
  connection.value = "reconnecting";
  render(<VerdictLine />, place);
  expect(place.querySelector(".verdict-steady")).toBeNull();
  expect(place.textContent).toContain("Last known: Steady: all.");
});
