/** Insights and alerts: what was found, how serious, since when, and where to look. */

import { moment } from "../range";
import { address } from "../route";
import { isOpen, now } from "../state";
import type { Finding } from "../wire";

const KINDS: Record<string, string> = { critical: "critical", warning: "warning", info: "note" };

export function FindingsList({ findings }: { findings: readonly Finding[] }) {
  return (
    <ul class="cards findings">
      {findings.map((finding) => (
        <FindingCard key={finding.id} finding={finding} />
      ))}
    </ul>
  );
}

function FindingCard({ finding }: { finding: Finding }) {
  const severity = KINDS[finding.severity ?? ""] ?? "note";
  const open = isOpen(finding, now.value);
  const metrics = metricsOf(finding.metrics);
  return (
    <li class={`card finding finding-${severity} ${open ? "" : "finding-over"}`}>
      <div class="metric-head">
        <h3>{finding.title}</h3>
        <span class={`pill pill-${open ? severity : "over"}`}>{open ? severity : "over"}</span>
      </div>
      {finding.description !== null && <p>{finding.description}</p>}
      <p class="quiet">
        since {moment(Date.parse(finding.generated_at) / 1000)}
        {!open &&
          finding.expires_at !== null &&
          `, until ${moment(Date.parse(finding.expires_at) / 1000)}`}
        {metrics.map((metric) => (
          <span key={metric}>
            {" · "}
            <a href={address("/explore", { metric })}>{metric}</a>
          </span>
        ))}
      </p>
    </li>
  );
}

/** Names of metrics, as an array or as the JSON text of one. */
export function metricsOf(value: unknown): string[] {
  let list = value;
  if (typeof value === "string") {
    try {
      list = JSON.parse(value);
    } catch {
      return [];
    }
  }
  return Array.isArray(list) ? list.filter((name) => typeof name === "string") : [];
}
