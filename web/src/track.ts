/** Keeps the recent points of one series, with its gaps, and lines several up for a chart. */

/** Seconds that the charts show. */
export const WINDOW = 600;
const LEAST_GAP = 20;
/** OpenTelemetry sends once a minute unless told otherwise. */
const UNKNOWN_RHYTHM = 180;
const RHYTHM = 9;

export class Track {
  readonly times: number[] = [];
  readonly values: (number | null)[] = [];

  get last(): number | null {
    return this.values.at(-1) ?? null;
  }

  /** Adds a newer point; older or repeated ones change nothing. A long silence before it becomes a gap. */
  push(time: number, value: number | null): void {
    const before = this.times.at(-1);
    if (before !== undefined) {
      if (time <= before) return;
      if (time - before > this.longestStep()) this.append((before + time) / 2, null);
    }
    this.append(time, value);
    this.forgetBefore(time - WINDOW * 1.2);
  }

  /** Puts history before the points that came live meanwhile. */
  precede(points: readonly (readonly [number, number | null])[]): void {
    const times = [...this.times];
    const values = [...this.values];
    this.times.length = 0;
    this.values.length = 0;
    const first = times[0] ?? Number.POSITIVE_INFINITY;
    for (const [time, value] of points) if (time < first) this.push(time, value);
    times.forEach((time, index) => {
      this.push(time, values[index] ?? null);
    });
  }

  private append(time: number, value: number | null): void {
    this.times.push(time);
    this.values.push(value);
  }

  /** Seconds of silence that are still this series' rhythm: three of its usual steps, once they are known. */
  private longestStep(): number {
    const real = this.times.filter((_, index) => this.values[index] !== null).slice(-RHYTHM);
    const steps = real.slice(1).map((time, index) => time - (real[index] ?? time));
    if (steps.length < 3) return UNKNOWN_RHYTHM;
    steps.sort((a, b) => a - b);
    return Math.max(LEAST_GAP, 3 * (steps[Math.floor(steps.length / 2)] ?? 0));
  }

  private forgetBefore(time: number): void {
    let old = 0;
    while ((this.times[old] ?? time) < time) old += 1;
    this.times.splice(0, old);
    this.values.splice(0, old);
  }
}

export type Columns = [number[], ...(number | null | undefined)[][]];

/** Common times and one column a track: null is a gap, undefined a time that the track has no point at. */
export function columns(tracks: readonly Track[]): Columns {
  const times = [...new Set(tracks.flatMap((track) => track.times))].sort((a, b) => a - b);
  const place = new Map(times.map((time, index) => [time, index]));
  const filled = tracks.map((track) => {
    const column = new Array<number | null | undefined>(times.length).fill(undefined);
    track.times.forEach((time, index) => {
      column[place.get(time) ?? 0] = track.values[index] ?? null;
    });
    return column;
  });
  return [times, ...filled];
}
