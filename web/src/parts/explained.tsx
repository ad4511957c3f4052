/** How one metric is protected, in plain words, and how exact it would be under another budget. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { explain } from "../api";
import { known } from "../known";
import { errorFactor } from "../noise";
import { noteLock } from "../state";
import type { Explanation, MetricInfo } from "../wire";
import { figureText, levelOf, nameOf } from "../words";
import { Badge } from "./badge";
import { Loading, Trouble } from "./state";

export function Explained({ initial }: { initial: string }) {
  const metric = useSignal(initial);
  const found = useSignal<Explanation | null>(null);
  const trouble = useSignal("");
  const name = metric.value;
  useEffect(() => {
    let gone = false;
    found.value = null;
    trouble.value = "";
    explain(name).then(
      (answer) => {
        if (!gone) found.value = answer;
      },
      (error) => {
        noteLock(error);
        if (!gone)
          trouble.value = error instanceof Error ? error.message : "the service did not answer";
      },
    );
    return () => {
      gone = true;
    };
  }, [name, found, trouble]);
  return (
    <div class="card">
      <div class="choices">
        <label>
          Metric{" "}
          <select
            value={name}
            onChange={({ currentTarget }) => {
              metric.value = currentTarget.value;
            }}
          >
            {ordered(known.value ?? []).map((one) => (
              <option key={one.metric} value={one.metric}>
                {nameOf(one.metric)} ({one.metric})
              </option>
            ))}
          </select>
        </label>
      </div>
      <Trouble words={trouble.value} />
      {found.value === null && trouble.value === "" && <Loading height={140} />}
      {found.value !== null && <Words explanation={found.value} />}
    </div>
  );
}

const RANK = { highly_sensitive: 0, sensitive: 1, internal: 2, public: 3 };

/** The most protected first; those that were never sent last. */
export function ordered(all: readonly MetricInfo[]): MetricInfo[] {
  return [...all].sort(
    (a, b) =>
      RANK[a.privacy] - RANK[b.privacy] ||
      Number(b.stored) - Number(a.stored) ||
      a.metric.localeCompare(b.metric),
  );
}

function Words({ explanation }: { explanation: Explanation }) {
  const level = levelOf(explanation.privacy);
  return (
    <>
      <p>
        <Badge kind={explanation.privacy} words={level.words}>
          {level.label}
        </Badge>
      </p>
      {explanation.words.split("\n").map((line) => (
        <p key={line}>{line}</p>
      ))}
      {explanation.expected_error_95 !== null && <Slider explanation={explanation} />}
      {explanation.assumptions.length > 0 && (
        <details>
          <summary>What this takes for granted</summary>
          <ul class="plain">
            {explanation.assumptions.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

/** From a tenth to ten times the budget. */
const [LEAST, MOST] = [-1, 1];

function Slider({ explanation }: { explanation: Explanation }) {
  const power = useSignal(0);
  const budget = explanation.cost ?? explanation.epsilon ?? 1;
  const then = budget * 10 ** power.value;
  const factor = errorFactor(budget, then, explanation.delta);
  const error = (explanation.expected_error_95 ?? 0) * factor;
  const day = explanation.expected_error_95_period;
  return (
    <div class="slider">
      <label for="epsilon">Stricter ← how much may be told about one person → more exact</label>
      <input
        id="epsilon"
        type="range"
        min={LEAST}
        max={MOST}
        step={0.05}
        value={power.value}
        aria-valuetext={`a budget of ${then.toPrecision(2)}, an error of ${figureText(error, "")}`}
        onInput={({ currentTarget }) => {
          power.value = Number(currentTarget.value);
        }}
      />
      <p aria-live="polite">
        With this part of the budget at <b>ε = {then.toPrecision(2)}</b>
        {power.value === 0 ? " (as it is now)" : ""}, one value is off by up to{" "}
        <b>± {figureText(error, "")}</b> (19 times in 20)
        {day != null && (
          <>
            , the sum of a whole period by up to <b>± {figureText(day * factor, "")}</b>
          </>
        )}
        .
      </p>
      <p class="quiet">
        Moving this changes nothing and costs nothing. To change it, set privacy_budget in the
        configuration: it holds from the next period on.
      </p>
    </div>
  );
}
