/** Saves a chart to a board in the data directory of the service, and copies a link to what is shown. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { getBoard, getBoards, putBoard } from "../api";
import { address, parameters } from "../route";
import type { Board, BoardSummary, Panel } from "../wire";
import { Trouble } from "./state";

const COPIED = 2000;

/** A link holds names and ranges only: whoever opens it asks their own service. */
export function Share() {
  const done = useSignal(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
    } catch {
      prompt("The address of what is shown:", location.href);
    }
    done.value = true;
    setTimeout(() => {
      done.value = false;
    }, COPIED);
  };
  return (
    <button type="button" onClick={copy}>
      {done.value ? "Copied" : "Link"}
    </button>
  );
}

export function Save({ panel }: { panel: Panel }) {
  const open = useSignal(false);
  return (
    <>
      <button
        type="button"
        onClick={() => {
          open.value = true;
        }}
      >
        Save…
      </button>
      {open.value && (
        <SaveDialog
          panel={panel}
          onDone={() => {
            open.value = false;
          }}
        />
      )}
    </>
  );
}

/** `What is slow?` → `what-is-slow`: a name that a file may have. */
export function fileName(title: string): string {
  const plain = title.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60);
}

export async function addToBoard(title: string, panel: Panel): Promise<string> {
  const name = fileName(title);
  if (name === "") throw new Error("give the board a name with letters");
  const { boards } = await getBoards();
  const board: Board = boards.some((known) => known.name === name)
    ? await getBoard(name)
    : { title, range: parameters.value["range"] ?? "", panels: [] };
  await putBoard(name, { ...board, panels: [...board.panels, panel] });
  return name;
}

function SaveDialog({ panel, onDone }: { panel: Panel; onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const boards = useSignal<BoardSummary[]>([]);
  const trouble = useSignal("");
  const saved = useSignal("");
  useEffect(() => {
    dialog.current?.showModal();
    getBoards().then(
      (answer) => {
        boards.value = answer.boards;
      },
      () => undefined,
    );
  }, [boards]);
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const chart = { ...panel, title: String(form.get("title")) };
      saved.value = await addToBoard(String(form.get("board")).trim(), chart);
    } catch (error) {
      trouble.value = error instanceof Error ? error.message : "the service did not answer";
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="save" onClose={onDone}>
      <h2 id="save">Save this chart</h2>
      {saved.value === "" ? (
        <form onSubmit={save}>
          <label class="field">
            Title of the chart
            <input name="title" required maxLength={120} defaultValue={panel.title} />
          </label>
          <label class="field">
            Board, new or one that there is
            <input
              name="board"
              required
              maxLength={60}
              list="boards"
              placeholder="What I look at first"
            />
          </label>
          <datalist id="boards">
            {boards.value.map(({ name, title }) => (
              <option key={name} value={title} />
            ))}
          </datalist>
          <p class="quiet">
            What is asked is saved in the data directory of the service; no values are.
          </p>
          <Trouble words={trouble.value} />
          <div class="buttons">
            <button type="submit" class="main">
              Save
            </button>
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
          </div>
        </form>
      ) : (
        <>
          <p role="status">Saved.</p>
          <div class="buttons">
            <a class="main" href={address(`/boards/${saved.value}`)}>
              Look at the board
            </a>
            <button type="button" onClick={() => dialog.current?.close()}>
              Close
            </button>
          </div>
        </>
      )}
    </dialog>
  );
}
