/** A table that scrolls sideways where it must, also by keyboard. */

import type { ComponentChildren } from "preact";

interface Props {
  label: string;
  class?: string;
  children: ComponentChildren;
}

export function TableCard({ label, class: more = "", children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class={`card table-card ${more}`} aria-label={`${label}: table`} tabIndex={0}>
      {children}
    </section>
  );
}
