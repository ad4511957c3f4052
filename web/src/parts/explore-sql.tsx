/** Asks in SQL: an editor with completion, the answer as a table, and as a chart where it has times and numbers. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { sql } from "../api";
import { known, storedMetrics } from "../known";
import { noteLock } from "../state";
import type { SqlAnswer } from "../wire";
import type { Editor } from "./editor";
import { Save } from "./save";
import { SqlResult } from "./sql-result";
import { Loading, Trouble } from "./state";

const EXAMPLES: readonly (readonly [string, string])[] = [
  [
    "What is stored",
    "SELECT metric_name, count(*) AS points, max(timestamp) AS newest\nFROM metrics\nWHERE privacy_level < 2\nGROUP BY metric_name\nORDER BY points DESC",
  ],
  [
    "Memory each minute",
    "SELECT date_trunc('minute', timestamp) AS minute, avg(value) AS bytes\nFROM metrics\nWHERE metric_name = 'process.memory.usage'\nGROUP BY minute\nORDER BY minute",
  ],
  [
    "What was found",
    "SELECT generated_at, severity, title, description\nFROM insights\nORDER BY generated_at DESC",
  ],
];

/** Kept while the page is open: SQL is what a person wrote, so it does not go into the address. */
const written = { text: EXAMPLES[0]?.[1] ?? "" };

export function ExploreSql() {
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const ready = useSignal(false);
  const answer = useSignal<SqlAnswer | null>(null);
  const trouble = useSignal("");
  const busy = useSignal(false);
  const asked = useSignal("");
  const run = async () => {
    if (busy.value) return;
    busy.value = true;
    const text = editor.current?.text() ?? written.text;
    written.text = text;
    try {
      answer.value = await sql(text);
      asked.value = text;
      trouble.value = "";
    } catch (error) {
      noteLock(error);
      trouble.value = error instanceof Error ? error.message : "the service did not answer";
    }
    busy.value = false;
  };
  const latest = useRef(run);
  latest.current = run;
  const waiting = known.value === null;
  useEffect(() => {
    let gone = false;
    if (waiting) return;
    void import("./editor").then(({ makeEditor }) => {
      if (gone || place.current === null) return;
      editor.current = makeEditor(place.current, {
        text: written.text,
        metrics: storedMetrics().map(({ metric }) => metric),
        onRun: () => void latest.current(),
      });
      ready.value = true;
    });
    return () => {
      gone = true;
      written.text = editor.current?.text() ?? written.text;
      editor.current?.end();
      editor.current = null;
    };
  }, [waiting, ready]);
  return (
    <>
      <div class="card">
        {!ready.value && <Loading height={150} />}
        <div ref={place} class="editor" />
        <div class="buttons">
          <button type="button" class="main" onClick={run} disabled={busy.value}>
            {busy.value ? "Asking…" : "Ask"}
          </button>
          <span class="quiet">
            or Ctrl + Enter. Only reading; at most ten seconds and 1,000 rows.
          </span>
          {EXAMPLES.map(([name, text]) => (
            <button key={name} type="button" class="link" onClick={() => editor.current?.set(text)}>
              {name}
            </button>
          ))}
        </div>
        <Trouble words={trouble.value} />
      </div>
      {answer.value !== null && (
        <SqlResult
          answer={answer.value}
          actions={
            <Save
              panel={{
                title: "",
                metric: "",
                aggregation: "",
                group_by: [],
                filters: {},
                sql: asked.value,
              }}
            />
          }
        />
      )}
    </>
  );
}
