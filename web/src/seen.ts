/** Tells whether an element can be seen, or nearly: what is about to be scrolled to is there already. */

import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export const NEARLY = "250px";

/** Of the element that `place` has, which may become another one. */
export function useSeen(place: RefObject<Element | null>): Signal<boolean> {
  const seen = useSignal(true);
  const watched = useRef<{ element: Element; observer: IntersectionObserver } | null>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null || watched.current?.element === element) return;
    watched.current?.observer.disconnect();
    const note = ([entry]: IntersectionObserverEntry[]) => {
      seen.value = entry?.isIntersecting ?? true;
    };
    const observer = new IntersectionObserver(note, { rootMargin: NEARLY });
    observer.observe(element);
    watched.current = { element, observer };
  });
  useEffect(() => () => watched.current?.observer.disconnect(), []);
  return seen;
}
