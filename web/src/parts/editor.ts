/** The SQL editor (CodeMirror): completion of tables, columns and names of metrics. Loaded where it is needed. */

import { autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const TABLES: Record<string, string[]> = {
  metrics: ["timestamp", "metric_name", "metric_type", "value", "attributes", "privacy_level"],
  series: ["id", "metric", "type", "unit", "attributes", "privacy_level"],
  points: ["series", "time", "value"],
  histogram_points: ["series", "time", "count", "sum", "bounds", "buckets"],
  metric_aggregates: [
    "time_bucket",
    "metric_name",
    "aggregation_type",
    "aggregated_value",
    "attributes",
  ],
  insights: [
    "insight_type",
    "title",
    "description",
    "severity",
    "metrics",
    "generated_at",
    "expires_at",
  ],
  retention_policies: ["metric_pattern", "retention_days", "aggregation_strategy"],
  privacy_ledger: ["sequence", "time", "kind", "metric", "epsilon", "rho"],
  releases: ["metric", "window_start", "window_end", "mechanism", "epsilon", "rho", "scale"],
  spans: ["timestamp", "service", "kind", "status", "duration_ms", "attributes"],
  logs: ["timestamp", "service", "severity", "event_name", "body"],
};

const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--violet)", fontWeight: "600" },
  { tag: tags.string, color: "var(--good)" },
  { tag: tags.number, color: "var(--chart-2)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
]);

const LOOK = EditorView.theme({
  "&": {
    color: "var(--ink)",
    backgroundColor: "var(--page)",
    fontSize: "0.9rem",
    borderRadius: "10px",
  },
  "&.cm-focused": { outline: "2px solid var(--accent)" },
  ".cm-content": {
    fontFamily: "var(--mono)",
    minHeight: "6em",
    caretColor: "var(--ink)",
    padding: "12px 8px",
  },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-tooltip": {
    backgroundColor: "var(--card)",
    color: "var(--ink)",
    border: "1px solid var(--line)",
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent)",
    color: "var(--card)",
  },
  ".cm-placeholder": { color: "var(--soft)" },
});

export interface Editor {
  text: () => string;
  set: (text: string) => void;
  end: () => void;
}

interface Options {
  text: string;
  metrics: readonly string[];
  onRun: () => void;
}

/** Tells the editor that the key was used. */
function ran(run: () => void): true {
  run();
  return true;
}

/** In a shadow root, where its styles are style sheets and not inline: the policy of the page allows no inline ones. */
export function makeEditor(place: HTMLElement, { text, metrics, onRun }: Options): Editor {
  const root = place.shadowRoot ?? place.attachShadow({ mode: "open" });
  const names = metrics.map((name) => ({ label: `'${name}'`, type: "text" }));
  const language = sql({ dialect: PostgreSQL, schema: TABLES, upperCaseKeywords: true });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        keymap.of([{ key: "Mod-Enter", run: () => ran(onRun) }]),
        keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
        history(),
        closeBrackets(),
        language,
        language.language.data.of({
          autocomplete: (context: import("@codemirror/autocomplete").CompletionContext) => {
            const word = context.matchBefore(/'[\w.*]*/);
            return word === null
              ? null
              : { from: word.from, options: names, validFor: /^'[\w.*]*'?$/ };
          },
        }),
        autocompletion(),
        syntaxHighlighting(COLOURS),
        LOOK,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "SQL", id: "sql" }),
        placeholder("SELECT … FROM metrics"),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (next) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } }),
    end: () => view.destroy(),
  };
}
