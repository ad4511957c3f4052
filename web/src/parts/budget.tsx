/** The privacy budget: how much is used, when it refills, and which metric takes which part. */

import { moment } from "../range";
import type { Budget } from "../wire";
import { duration, nameOf } from "../words";

export function BudgetCard({ budget, at }: { budget: Budget; at: number }) {
  const part = budget.epsilon > 0 ? Math.min(1, budget.remaining / budget.epsilon) : 0;
  const ends = Date.parse(budget.period_ends) / 1000;
  const { text, unit } = duration(Math.max(0, ends - at));
  const left = Math.round(part * 100);
  return (
    <div class="card budget">
      <p class="newest">
        <span class="big">{left}%</span> <span class="unit">of the privacy budget is left</span>
      </p>
      <meter
        class="gauge"
        min={0}
        max={100}
        value={left}
        aria-label={`${left} % of the privacy budget is left`}
      />
      <p class="quiet">
        It refills at {moment(ends)}, in {text} {unit}. {stateWords(budget)}
      </p>
      <p>
        Every number about people tells a little about each of them. The budget limits how much all
        numbers together may tell about one person in a period; when it is used up, no more of them
        appear until it refills.
      </p>
      {budget.metrics.length > 0 && (
        <details>
          <summary>Which metric takes how much</summary>
          <table>
            <thead>
              <tr>
                <th scope="col">Metric</th>
                <th scope="col" class="right">
                  Its part
                </th>
                <th scope="col" class="right">
                  Used of the budget
                </th>
              </tr>
            </thead>
            <tbody>
              {budget.metrics.map(({ metric, share, spent }) => (
                <tr key={metric}>
                  <th scope="row" title={metric}>
                    {nameOf(metric)}
                  </th>
                  <td class="right">{Math.round(share * 100)}%</td>
                  <td class="right">{Math.round((100 * spent) / budget.epsilon)}%</td>
                </tr>
              ))}
            </tbody>
          </table>
          <p class="quiet">
            For those who know: ε = {budget.epsilon} and δ = {budget.delta} a period for everything
            one person contributes. Parts do not add up like money: the sum is less than all of
            them.
          </p>
        </details>
      )}
    </div>
  );
}

function stateWords({ state }: Budget): string {
  if (state === "off")
    return "Noise is switched off (differential_privacy: false), so nothing is limited.";
  if (state === "spent") return "Nothing more is shown about people before that.";
  return "";
}
