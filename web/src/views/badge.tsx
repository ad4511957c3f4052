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
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the explanation must be reachable by keyboard
    <span class={`badge badge-${kind}`} tabIndex={0} aria-describedby={id}>
      {children}
      <span class="tip" role="tooltip" id={id}>
        {words}
      </span>
    </span>
  );
}
