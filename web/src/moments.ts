/** Turns moments into words that name their day where it matters, and always their zone. */

/** Where this browser is: `Europe/Berlin`, `UTC`. */
export const ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone;

const DAY = 86_400;
/** By so many seconds clocks are put back. */
const BACK = [3600, 1800, 7200];

const formats = new Map<string, Intl.DateTimeFormat>();

function format(kind: "time" | "day" | "year" | "offset", zone: string): Intl.DateTimeFormat {
  const key = `${kind} ${zone}`;
  const known = formats.get(key);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...KINDS[kind] });
  formats.set(key, made);
  return made;
}

const KINDS: Record<string, Intl.DateTimeFormatOptions> = {
  time: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  day: { day: "numeric", month: "short" },
  year: { year: "numeric" },
  offset: { timeZoneName: "longOffset" },
};

/** `14:05:10`. */
export const timeOf = (seconds: number, zone = ZONE): string =>
  format("time", zone).format(seconds * 1000);

/** `30 Nov`, with the year where it is another one than that of `now`. */
export function dayOf(seconds: number, zone = ZONE, now = Date.now() / 1000): string {
  const day = format("day", zone).format(seconds * 1000);
  const [year, current] = [seconds, now].map((one) => format("year", zone).format(one * 1000));
  return year === current ? day : `${day} ${year}`;
}

/** `UTC`; where a clock shows this time twice, since it is put back, also which of the two it is. */
export function zoneWords(seconds: number, zone = ZONE): string {
  const name = /^Etc\/(UTC|GMT|UCT|Zulu|Universal)$/.test(zone) ? "UTC" : zone;
  const wall = (at: number) => `${dayOf(at, zone)} ${timeOf(at, zone)}`;
  const twice = BACK.some((by) =>
    [seconds - by, seconds + by].some((other) => wall(other) === wall(seconds)),
  );
  if (!twice) return name;
  const parts = format("offset", zone).formatToParts(seconds * 1000);
  const offset = parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
  return `${name}, ${offset.replace("GMT", "UTC")}`;
}

/** `14:05:10 UTC`; with the day where `span`, in seconds, is longer than a day or the moment is not today. */
export function exactly(seconds: number, span = 0, zone = ZONE, now = Date.now() / 1000): string {
  const today = dayOf(now, zone, now);
  const day = dayOf(seconds, zone, now);
  const time = `${timeOf(seconds, zone)} ${zoneWords(seconds, zone)}`;
  return span > DAY || day !== today ? `${day} ${time}` : time;
}
