/** What is promised about people, what was spent of it, what was refused, and what leaves this node. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getBudget } from "../api";
import { loadKnown } from "../known";
import { BudgetCard } from "../parts/budget";
import { Explained } from "../parts/explained";
import { Ledger } from "../parts/ledger";
import { RefusedPanel } from "../parts/refused";
import { Loading, Section, Trouble } from "../parts/state";
import { parameters } from "../route";
import { noteLock, now, status, budget as told } from "../state";
import type { Budget } from "../wire";

const FIRST = "content.operations";

export function Privacy() {
  useEffect(() => void loadKnown(), []);
  return (
    <>
      <h1 class="hidden">Privacy</h1>
      <div class="two">
        <Section id="budget" title="Privacy budget">
          <CurrentBudget />
        </Section>
        <Section id="leaves" title="What leaves this node">
          <Leaves />
        </Section>
      </div>
      <Section id="refused" title="Refused" aside="sent by a service, but not kept">
        <RefusedPanel />
      </Section>
      <Section id="explained" title="How a metric is protected">
        <Explained initial={parameters.value["metric"] ?? FIRST} />
      </Section>
      <Section
        id="ledger"
        title="Ledger"
        aside="every number about people that was shown, and what it cost"
      >
        <Ledger />
      </Section>
    </>
  );
}

function CurrentBudget() {
  const budget = useSignal<Budget | null>(null);
  const trouble = useSignal("");
  const news = JSON.stringify(told.value);
  // The stream tells when it has changed.
  useEffect(() => {
    getBudget().then(
      (answer) => {
        budget.value = answer;
        trouble.value = "";
      },
      (error) => {
        noteLock(error);
        trouble.value = error instanceof Error ? error.message : "the service did not answer";
      },
    );
  }, [news]);
  if (budget.value !== null) return <BudgetCard budget={budget.value} at={now.value} />;
  return trouble.value === "" ? <Loading height={170} /> : <Trouble words={trouble.value} />;
}

function Leaves() {
  const privacy = status.value?.privacy;
  if (privacy === undefined) return <Loading height={170} />;
  return (
    <div class="card">
      <p class="newest">
        <span class="big">{privacy.network_sharing ? "Sums you agreed to" : "Nothing"}</span>
      </p>
      {privacy.network_sharing ? (
        <p>
          Only sums that you have agreed to leave, as secret shares with noise: nobody who receives
          one share can read it.
        </p>
      ) : (
        <p>
          All that is collected stays in one file on this machine. This page loads nothing from
          elsewhere and sends nothing elsewhere. Sharing begins only when you set network_sharing.
        </p>
      )}
      <p class="quiet">
        Detailed values are deleted after {Math.round(privacy.retention_period / 86_400)} days.
        Values about peers need at least {privacy.k_anonymity} of them.
      </p>
    </div>
  );
}
