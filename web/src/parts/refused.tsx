/** What was not taken, why, and what to do about it: one click allows a metric from here on. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { allow } from "../api";
import { refreshStatus, status } from "../state";
import type { Refused } from "../wire";
import { number } from "../words";
import { Nothing, Trouble } from "./state";
import { TableCard } from "./table-card";

const MOST = 50;
/** The reason that an entry in the catalogue would mend. */
const UNKNOWN = /catalogue/;

export function RefusedPanel() {
  const asked = useSignal<string | null>(null);
  const refused = status.value?.refused ?? [];
  if (refused.length === 0)
    return <Nothing>Nothing was refused: all that is sent is in the catalogue.</Nothing>;
  return (
    <TableCard label="Refused metrics">
      <table>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col">Why</th>
            <th scope="col">What to do</th>
            <th scope="col" class="right">
              Points
            </th>
            <th scope="col">
              <span class="hidden">Allow</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {refused.slice(0, MOST).map((entry) => (
            <Row
              key={`${entry.metric} ${entry.reason}`}
              entry={entry}
              onAllow={() => (asked.value = entry.metric)}
            />
          ))}
        </tbody>
      </table>
      {refused.length > MOST && <p class="quiet">and {refused.length - MOST} more</p>}
      {asked.value !== null && (
        <AllowDialog
          metric={asked.value}
          onDone={() => {
            asked.value = null;
          }}
        />
      )}
    </TableCard>
  );
}

function Row({ entry, onAllow }: { entry: Refused; onAllow: () => void }) {
  return (
    <tr>
      <th scope="row">
        <code>{entry.metric}</code>
      </th>
      <td>{entry.reason}</td>
      <td>{entry.remedy}</td>
      <td class="right">{entry.count === null ? "not counted" : number(entry.count)}</td>
      <td class="right">
        {UNKNOWN.test(entry.reason) && (
          <button type="button" onClick={onAllow} aria-label={`Allow ${entry.metric}`}>
            Allow…
          </button>
        )}
      </td>
    </tr>
  );
}

function AllowDialog({ metric, onDone }: { metric: string; onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const trouble = useSignal("");
  const said = useSignal("");
  useEffect(() => dialog.current?.showModal(), []);
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      await allow({
        names: [metric],
        privacy: form.get("privacy") === "public" ? "public" : "internal",
        purpose: String(form.get("purpose") ?? ""),
      });
      said.value = `${metric} is collected from here on. It shows with the next value that is sent.`;
      void refreshStatus();
    } catch (error) {
      trouble.value = error instanceof Error ? error.message : "the service did not answer";
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="allow" onClose={onDone}>
      <h2 id="allow">
        Collect <code>{metric}</code>?
      </h2>
      {said.value === "" ? (
        <form onSubmit={send}>
          <fieldset>
            <legend>What does it tell?</legend>
            <label>
              <input type="radio" name="privacy" value="internal" checked /> Something about this
              machine. It stays on this node.
            </label>
            <label>
              <input type="radio" name="privacy" value="public" /> Nothing about anybody. Other
              programs may see it.
            </label>
            <p class="quiet">
              If it tells something about people, it needs an entry of its own in a catalogue file:
              see docs/catalogue.md.
            </p>
          </fieldset>
          <label class="field">
            Which question does it answer?
            <input name="purpose" required maxLength={200} placeholder="Which shop is slow" />
          </label>
          <Trouble words={trouble.value} />
          <div class="buttons">
            <button type="submit" class="main">
              Collect it
            </button>
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
          </div>
        </form>
      ) : (
        <>
          <p role="status">{said.value}</p>
          <div class="buttons">
            <button type="button" class="main" onClick={() => dialog.current?.close()}>
              Close
            </button>
          </div>
        </>
      )}
    </dialog>
  );
}
