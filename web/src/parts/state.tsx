/** What stands where there is nothing to show yet, and says what to do about it. */

import type { ComponentChildren } from "preact";

export function Nothing({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

export function Trouble({ words }: { words: string }) {
  if (words === "") return null;
  return (
    <p class="trouble" role="alert">
      {sentence(words)}
    </p>
  );
}

/** Holds the place of what is being loaded, so that nothing jumps when it comes. */
export function Loading({ height }: { height: number }) {
  return (
    <div class="loading" style={{ height: `${height}px` }}>
      <span class="hidden">Loading</span>
    </div>
  );
}

export function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?:]$/.test(words) ? "" : ".");
}

export function Section({
  id,
  title,
  aside,
  children,
}: {
  id: string;
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>{title}</h2>
        {aside !== undefined && <div class="quiet">{aside}</div>}
      </div>
      {children}
    </section>
  );
}
