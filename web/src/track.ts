/** Keeps the recent values of a figure, with their gaps, and lines several courses up for a chart. */

/** Seconds that the live charts show. */
export const WINDOW = 600;
/** Points of one track at most, whatever the rhythm of its sender. */
export const MOST_POINTS = 2400;
const LEAST_GAP = 20;
/** OpenTelemetry sends once a minute unless told otherwise. */
const UNKNOWN_RHYTHM = 180;
const RHYTHM = 9;

export type Column = (number | null | undefined)[];

export class Track {
  readonly times: number[] = [];
  readonly values: (number | null)[] = [];

  get last(): number | null {
    return this.values.at(-1) ?? null;
  }

  /** Adds a newer point; older or repeated ones change nothing. A long silence before it becomes a gap. */
  push(time: number, value: number | null): boolean {
    const before = this.times.at(-1);
    if (before !== undefined) {
      if (time <= before) return false;
      const pause = time - before;
      if (pause > LEAST_GAP && pause > this.longestStep()) this.append((before + time) / 2, null);
    }
    this.append(time, value);
    this.forgetBefore(time - WINDOW * 1.2);
    return true;
  }

  private append(time: number, value: number | null): void {
    this.times.push(time);
    this.values.push(value);
  }

  /** Seconds of silence that are still this series' rhythm: three of its usual steps, once they are known. */
  private longestStep(): number {
    const real: number[] = [];
    for (let at = this.times.length - 1; at >= 0 && real.length < RHYTHM; at -= 1)
      if (this.values[at] !== null) real.unshift(this.times[at] ?? 0);
    const steps = real.slice(1).map((time, index) => time - (real[index] ?? time));
    if (steps.length < 3) return UNKNOWN_RHYTHM;
    return Math.max(LEAST_GAP, 3 * median(steps));
  }

  private forgetBefore(time: number): void {
    let old = Math.max(0, this.times.length - MOST_POINTS);
    while ((this.times[old] ?? time) < time) old += 1;
    if (old === 0) return;
    this.times.splice(0, old);
    this.values.splice(0, old);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle] ?? 0;
  return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

export type Columns = [number[], ...Column[]];

/** Common times and one column a track: null is a gap, undefined a time that the track has no point at. */
export function columns(tracks: readonly Pick<Track, "times" | "values">[]): Columns {
  const [first, ...others] = tracks;
  if (first === undefined) return [[]];
  if (others.every((other) => sameTimes(first.times, other.times)))
    return [first.times, ...tracks.map((track) => track.values)];
  return merged(tracks);
}

function sameTimes(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length || a[0] !== b[0] || a.at(-1) !== b.at(-1)) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

function merged(tracks: readonly Pick<Track, "times" | "values">[]): Columns {
  const times = [...new Set(tracks.flatMap((track) => track.times))].sort((a, b) => a - b);
  const filled = tracks.map((track) => {
    const column: Column = new Array(times.length).fill(undefined);
    let next = 0;
    for (let at = 0; at < times.length && next < track.times.length; at += 1)
      if (times[at] === track.times[next]) {
        column[at] = track.values[next] ?? null;
        next += 1;
      }
    return column;
  });
  return [times, ...filled];
}
