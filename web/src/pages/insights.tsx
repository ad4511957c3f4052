/** What was found in the data, and the alerts that were raised. */

import { FindingsList } from "../parts/findings-list";
import { Loading, Nothing, Section } from "../parts/state";
import { alerts, insights, isOpen, now } from "../state";
import type { Finding } from "../wire";

export function Insights() {
  return (
    <>
      <h1 class="hidden">Insights and alerts</h1>
      <List
        id="alerts"
        title="Alerts"
        findings={alerts.value}
        nothing="No alert was raised: this version does not look at rules for alerts yet. Insights need none."
      />
      <List
        id="insights"
        title="Insights"
        findings={insights.value}
        nothing="Nothing was found yet. The service looks for silent services, what is beyond a limit, rising error rates and a budget that is nearly spent, and says so here."
      />
    </>
  );
}

interface Props {
  id: string;
  title: string;
  findings: Finding[] | null;
  nothing: string;
}

function List({ id, title, findings, nothing }: Props) {
  const open = (findings ?? []).filter((finding) => isOpen(finding, now.value));
  const over = (findings ?? []).filter((finding) => !isOpen(finding, now.value));
  return (
    <Section id={id} title={title} aside={findings === null ? "" : `${open.length} open`}>
      {findings === null && <Loading height={90} />}
      {findings?.length === 0 && <Nothing>{nothing}</Nothing>}
      <FindingsList findings={open} />
      {over.length > 0 && (
        <>
          <h3 class="sub">Over</h3>
          <FindingsList findings={over} />
        </>
      )}
    </Section>
  );
}
