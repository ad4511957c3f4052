/** What was not taken, why, and what to do about it. */

import { status } from "../state";
import { number } from "../words";

const MOST = 20;

export function RefusedPanel() {
  const refused = status.value?.refused ?? [];
  if (refused.length === 0) return null;
  return (
    <section aria-labelledby="refused">
      <div class="section-head">
        <h2 id="refused">Refused</h2>
        <p class="quiet">sent by a service, but not kept</p>
      </div>
      <div class="card table-card">
        <table>
          <thead>
            <tr>
              <th scope="col">Metric</th>
              <th scope="col">Why</th>
              <th scope="col">What to do</th>
              <th scope="col" class="right">
                Points
              </th>
            </tr>
          </thead>
          <tbody>
            {refused.slice(0, MOST).map((entry) => (
              <tr key={`${entry.metric} ${entry.reason}`}>
                <th scope="row">
                  <code>{entry.metric}</code>
                </th>
                <td>{entry.reason}</td>
                <td>{entry.remedy}</td>
                <td class="right">{entry.count === null ? "not counted" : number(entry.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {refused.length > MOST && <p class="quiet">and {refused.length - MOST} more</p>}
      </div>
    </section>
  );
}
