/** Chooses the time that all charts show. */

import { useSignal } from "@preact/signals";
import {
  choose,
  chosen,
  isLive,
  PRESETS,
  preset,
  rangeAt,
  rangeWords,
  shift,
  zoomOut,
  zoomTo,
} from "../range";
import { connection, now } from "../state";

export function Picker() {
  const custom = useSignal(false);
  const fixed = chosen.value;
  return (
    <section class="picker" aria-label="Time">
      {isLive.value && (
        <span
          class={connection.value === "live" ? "live-mark" : "live-mark live-paused"}
          aria-hidden="true"
        >
          {connection.value === "live" ? "live" : "paused"}
        </span>
      )}
      <button type="button" aria-label="Earlier" onClick={() => shift(-1, now.value)}>
        ‹
      </button>
      <label>
        <span class="hidden">Time range</span>
        <select
          value={fixed === null ? preset.value[0] : "custom"}
          onChange={({ currentTarget }) => {
            custom.value = currentTarget.value === "custom";
            if (!custom.value) choose(currentTarget.value);
          }}
        >
          {PRESETS.map(([name, , words]) => (
            <option key={name} value={name}>
              Last {words}
            </option>
          ))}
          <option value="custom">{fixed === null ? "From … to …" : rangeWords.value}</option>
        </select>
      </label>
      <button
        type="button"
        aria-label="Later"
        disabled={fixed === null}
        onClick={() => shift(1, now.value)}
      >
        ›
      </button>
      {fixed !== null && (
        <button type="button" onClick={zoomOut}>
          Back to now
        </button>
      )}
      {(custom.value || fixed !== null) && <Moments onDone={() => (custom.value = false)} />}
    </section>
  );
}

function Moments({ onDone }: { onDone: () => void }) {
  const { start, end } = rangeAt(now.peek());
  const take = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const [from, to] = ["from", "to"].map((name) => Date.parse(String(form.get(name))) / 1000);
    if (from !== undefined && to !== undefined && to > from) zoomTo(from, to);
    onDone();
  };
  return (
    <form class="moments" onSubmit={take} key={`${start} ${end}`}>
      <label>
        from{" "}
        <input type="datetime-local" name="from" step="1" required defaultValue={local(start)} />
      </label>
      <label>
        to <input type="datetime-local" name="to" step="1" required defaultValue={local(end)} />
      </label>
      <button type="submit">Show</button>
    </form>
  );
}

/** As `datetime-local` wants it: the time here, without a zone. */
export function local(seconds: number): string {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
