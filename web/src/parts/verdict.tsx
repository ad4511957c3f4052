/** The first line: how everything is, by the service's own judgement, and for how long that is known. */

import { moment } from "../range";
import { connection, now, outages, verdict } from "../state";
import type { Reason } from "../wire";

const MOST_REASONS = 5;
/** Seconds that an outage of the service itself is told of. */
const OUTAGE_TOLD = 3600;
const OUTAGES: Record<string, string> = {
  not_running: "This service did not run",
  stood_still: "This service stood still",
  took_nothing: "This service took nothing, since it was at a limit of its own,",
};

/** While the stream is broken nothing is called steady: it was, as far as is known. */
export function VerdictLine() {
  const told = verdict.value;
  if (told === null) return null;
  const recent = outages.value.filter(
    ({ end }) => now.value - Date.parse(end) / 1000 < OUTAGE_TOLD,
  );
  const known = connection.value === "live";
  const state = known ? told.state : "unknown";
  return (
    <div class={`verdict verdict-${state}`} role="status">
      <p class="verdict-line">
        <span class="dot" aria-hidden="true" />
        {!known && "Not known at present. Last known: "}
        {told.sentence}
      </p>
      {recent.map((outage) => (
        <p key={outage.begin} class="quiet">
          {OUTAGES[outage.reason] ?? "Nothing could be heard"} from{" "}
          {moment(Date.parse(outage.begin) / 1000)} to {moment(Date.parse(outage.end) / 1000)}: what
          was sent meanwhile may be missing.
        </p>
      ))}
      {told.reasons.length > 0 && (
        <ul>
          {told.reasons.slice(0, MOST_REASONS).map((reason) => (
            <li key={`${reason.kind} ${reason.words}`}>
              <ReasonLine reason={reason} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function ReasonLine({ reason }: { reason: Reason }) {
  return (
    <>
      <b>{reason.words}</b>
      {reason.since !== null && (
        <span class="since"> since {moment(Date.parse(reason.since) / 1000)}</span>
      )}
      : {reason.detail}
    </>
  );
}
