/** Draws what has changed once a frame, and only what can be seen. */

const due = new Set<() => void>();
let asked = false;

/** Runs `draw` in the next frame; asking again before it changes nothing. */
export function schedule(draw: () => void): void {
  due.add(draw);
  if (asked) return;
  asked = true;
  requestAnimationFrame(flush);
}

export function forget(draw: () => void): void {
  due.delete(draw);
}

function flush(): void {
  asked = false;
  const now = [...due];
  due.clear();
  for (const draw of now) draw();
}
