/** A short label whose meaning is explained on hover and focus. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Props {
  words: string;
  kind?: string;
  children: ComponentChildren;
}

export function Badge({ words, kind = "plain", children }: Props) {
  const id = useId();
  return (
    <button type="button" class={`badge badge-${kind}`} aria-describedby={id}>
      {children}
      <span class="tip" role="tooltip" id={id}>
        {words}
      </span>
    </button>
  );
}
