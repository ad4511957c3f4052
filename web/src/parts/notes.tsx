/** What is in force just now and the owner should know, as the status says it. */

import { status } from "../state";

export function Notes() {
  return (status.value?.notes ?? []).map((note) => (
    <p key={note} class="trouble" role="note">
      {note}
    </p>
  ));
}
