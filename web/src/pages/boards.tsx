/** Saved boards: a list of them, and one of them with its charts. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { deleteBoard, getBoard, getBoards, putBoard, sql } from "../api";
import { useAsked } from "../ask";
import { AskedCard } from "../parts/metric";
import { SqlResult } from "../parts/sql-result";
import { Loading, Nothing, Section, Trouble } from "../parts/state";
import { choose, PRESETS } from "../range";
import { address, go, parameters, path } from "../route";
import { noteLock } from "../state";
import type { Board, BoardSummary, Panel } from "../wire";

export function Boards() {
  const name = path.value.split("/")[2] ?? "";
  return name === "" ? <List /> : <One key={name} name={decodeURIComponent(name)} />;
}

function List() {
  const boards = useSignal<BoardSummary[] | null>(null);
  const trouble = useSignal("");
  useEffect(() => {
    getBoards().then(
      (answer) => {
        boards.value = answer.boards;
      },
      (error) => {
        noteLock(error);
        trouble.value = error instanceof Error ? error.message : "the service did not answer";
      },
    );
  }, [boards, trouble]);
  return (
    <Section id="boards" title="Saved boards">
      <h1 class="hidden">Boards</h1>
      <Trouble words={trouble.value} />
      {boards.value === null && trouble.value === "" && <Loading height={100} />}
      {boards.value?.length === 0 && (
        <Nothing>
          No board yet. <a href={address("/explore")}>Explore</a> a metric and press Save under its
          chart.
        </Nothing>
      )}
      <ul class="cards services">
        {(boards.value ?? []).map(({ name, title, panels }) => (
          <li class="card" key={name}>
            <h3>
              <a href={address(`/boards/${name}`)}>{title}</a>
            </h3>
            <p class="quiet">
              {panels} {panels === 1 ? "chart" : "charts"}
            </p>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function One({ name }: { name: string }) {
  const board = useSignal<Board | null>(null);
  const trouble = useSignal("");
  const tell = (error: unknown) => {
    noteLock(error);
    trouble.value = error instanceof Error ? error.message : "the service did not answer";
  };
  // A board is read once.
  useEffect(() => {
    getBoard(name).then((found) => {
      board.value = found;
      const known = PRESETS.some(([preset]) => preset === found.range);
      if (known && parameters.value["range"] === undefined) choose(found.range);
    }, tell);
  }, [name]);
  const remove = async (at: number) => {
    if (board.value === null) return;
    const { title, panels } = board.value;
    const named = panels[at]?.title ?? "this chart";
    const left = `${panels.length - 1} of its ${panels.length} charts stay`;
    if (!window.confirm(`Remove “${named}” from “${title}”? ${left}. The data stay.`)) return;
    const next = { ...board.value, panels: board.value.panels.filter((_, index) => index !== at) };
    await putBoard(name, next).then(() => {
      board.value = next;
    }, tell);
  };
  const erase = () => {
    const charts = board.value?.panels.length ?? 0;
    const words = `Delete the board with its ${charts} ${charts === 1 ? "chart" : "charts"}? The data stay.`;
    if (window.confirm(words)) void deleteBoard(name).then(() => go("/boards"), tell);
  };
  if (board.value === null)
    return trouble.value === "" ? <Loading height={300} /> : <Trouble words={trouble.value} />;
  return (
    <Section
      id="board"
      title={board.value.title}
      aside={
        <button type="button" class="link" onClick={erase}>
          Delete this board
        </button>
      }
    >
      <h1 class="hidden">Board</h1>
      <Trouble words={trouble.value} />
      {board.value.panels.length === 0 && <Nothing>This board has no charts any more.</Nothing>}
      <ul class="cards halves">
        {board.value.panels.map((panel, at) => (
          <PanelCard key={`${at} ${panel.title}`} panel={panel} onRemove={() => void remove(at)} />
        ))}
      </ul>
    </Section>
  );
}

function PanelCard({ panel, onRemove }: { panel: Panel; onRemove: () => void }) {
  return (
    <li class="panel">
      <ul class="cards">
        {panel.sql === "" ? (
          <AskedCard
            metric={panel.metric}
            title={panel.title}
            by={panel.group_by}
            aggregation={panel.aggregation}
            filters={panel.filters}
            height={190}
          />
        ) : (
          <SqlCard panel={panel} />
        )}
      </ul>
      <button type="button" class="link" aria-label={`Remove ${panel.title}`} onClick={onRemove}>
        Remove
      </button>
    </li>
  );
}

function SqlCard({ panel }: { panel: Panel }) {
  const { data, trouble } = useAsked(panel.sql, (_, signal) => sql(panel.sql, 1000, signal));
  return (
    <li>
      <Trouble words={trouble.value} />
      {data.value === null && trouble.value === "" && <Loading height={200} />}
      {data.value !== null && <SqlResult answer={data.value} title={panel.title} />}
    </li>
  );
}
