/** At a glance: are the services well, what changed, what was found. */

import { Changes } from "../parts/changes-list";
import { Empty } from "../parts/empty";
import { FindingsList } from "../parts/findings-list";
import { Health } from "../parts/health";
import { LiveCard } from "../parts/metric";
import { Notes } from "../parts/notes";
import { Section } from "../parts/state";
import { VerdictLine } from "../parts/verdict";
import { rangeWords } from "../range";
import { address } from "../route";
import { alerts, insights, isOpen, network, now, performance, services } from "../state";
import { byImportance } from "../words";

const MOST_CHARTS = 6;

export function Overview() {
  const empty =
    services.value?.length === 0 && network.value.size === 0 && performance.value.size === 0;
  if (empty)
    return (
      <>
        <Notes />
        <Empty />
      </>
    );
  return (
    <>
      <h1 class="hidden">Overview</h1>
      <VerdictLine />
      <Notes />
      <OpenFindings />
      <Health />
      <Changes />
      <Important />
    </>
  );
}

function OpenFindings() {
  const all = [...(alerts.value ?? []), ...(insights.value ?? [])];
  const open = all.filter((finding) => isOpen(finding, now.value));
  if (open.length === 0) return null;
  return (
    <Section id="open" title="Needs a look" aside={<a href={address("/insights")}>all insights</a>}>
      <FindingsList findings={open.slice(0, 4)} />
    </Section>
  );
}

/** The few charts that say most about the network. */
function Important() {
  const metrics = [...network.value.values()].sort((a, b) => byImportance(a.name, b.name));
  if (metrics.length === 0) return null;
  return (
    <Section
      id="pulse"
      title="Network, live"
      aside={
        <>
          {rangeWords} · <a href={address("/network")}>more</a>
        </>
      }
    >
      <ul class="cards charts">
        {metrics.slice(0, MOST_CHARTS).map((metric) => (
          <LiveCard key={metric.name} metric={metric} />
        ))}
      </ul>
    </Section>
  );
}
