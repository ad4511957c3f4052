/** What was not taken, why, and what to do about it: one click allows a metric from here on. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { allow } from "../api";
import { refreshStatus, status } from "../state";
import type { Permission, Refused } from "../wire";
import { number } from "../words";
import { Nothing, Trouble } from "./state";
import { TableCard } from "./table-card";

const MOST = 50;
/** Of a metric that has an entry, which takes another type than the one that is sent. */
const OTHER_TYPE = /another type/;

export function RefusedPanel() {
  const asked = useSignal<Refused | null>(null);
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
              onAllow={() => (asked.value = entry)}
            />
          ))}
        </tbody>
      </table>
      {refused.length > MOST && <p class="quiet">and {refused.length - MOST} more</p>}
      {asked.value !== null && (
        <AllowDialog
          entry={asked.value}
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
        {entry.allows !== null && (
          <button type="button" onClick={onAllow} aria-label={`Allow ${entry.metric}`}>
            {OTHER_TYPE.test(entry.reason) ? `Take the ${entry.allows}…` : "Allow…"}
          </button>
        )}
      </td>
    </tr>
  );
}

function AllowDialog({ entry, onDone }: { entry: Refused; onDone: () => void }) {
  const { metric, allows } = entry;
  const isKnown = OTHER_TYPE.test(entry.reason);
  const dialog = useRef<HTMLDialogElement>(null);
  const trouble = useSignal("");
  const said = useSignal("");
  useEffect(() => dialog.current?.showModal(), []);
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const told: Partial<Permission> = isKnown
      ? {}
      : {
          privacy: form.get("privacy") === "public" ? "public" : "internal",
          purpose: String(form.get("purpose") ?? ""),
        };
    try {
      const { allowed } = await allow({
        names: [metric],
        ...told,
        ...(allows === null ? {} : { type: allows }),
      });
      said.value =
        allowed.length === 0
          ? `Nothing was changed: ${metric} is allowed already.`
          : `${metric} is collected from here on${isKnown ? ` as a ${allows}` : ""}. It shows with the next value that is sent.`;
      void refreshStatus();
    } catch (error) {
      trouble.value = error instanceof Error ? error.message : "the service did not answer";
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="allow" onClose={onDone}>
      <h2 id="allow">
        Collect <code>{metric}</code>
        {isKnown && ` as a ${allows}`}?
      </h2>
      {said.value === "" ? (
        <form onSubmit={send}>
          {isKnown ? (
            <p>
              The catalogue has another type for it. A {allows} is taken from here on, with the
              privacy and the attributes of the present entry; what is sent in the type that it had
              until now is refused then.
            </p>
          ) : (
            <Told />
          )}
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

/** What the owner says of a metric that has no entry. */
function Told() {
  return (
    <>
      <fieldset>
        <legend>What does it tell?</legend>
        <label>
          <input type="radio" name="privacy" value="internal" checked /> Something about this
          machine. It stays on this node.
        </label>
        <label>
          <input type="radio" name="privacy" value="public" /> Nothing about anybody. Other programs
          may see it.
        </label>
        <p class="quiet">
          If it tells something about people, it needs an entry of its own in a catalogue file: see
          docs/catalogue.md.
        </p>
      </fieldset>
      <label class="field">
        Which question does it answer?
        <input name="purpose" required maxLength={200} placeholder="Which shop is slow" />
      </label>
    </>
  );
}
