// Numbers on axes and under the cursor, in the same words as the rest of the page.
import type { Unit } from "./data";

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const NBSP = "\u00a0";

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function significant(value: number, count: number): string {
  if (value === 0) return "0";
  const rounded = Number(value.toPrecision(count));
  const decimals = Math.max(count - 1 - Math.floor(Math.log10(Math.abs(rounded))), 0);
  return trim(rounded.toFixed(Math.min(decimals, 8)));
}

function bytes(value: number): string {
  let unit = 0;
  let size = Number(value.toPrecision(3));
  while (Math.abs(size) >= 1000 && unit < BYTE_UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  // Three digits, as in the rest of the page; none after the point of a number of bytes.
  return `${unit ? size.toPrecision(3) : significant(size, 3)}${NBSP}${BYTE_UNITS[unit]}`;
}

export function formatValue(value: number, unit: Unit): string {
  if (unit === "bytes") return bytes(value);
  if (unit === "bytes_per_s") return `${bytes(value)}/s`;
  return value > 0 && value < 0.01 ? "<0.01" : trim(value.toFixed(2));
}

/** Like formatValue, for an axis: a bare zero, and no more digits than round numbers have. */
export function formatTick(value: number, unit: Unit): string {
  if (value === 0) return "0";
  return unit === "cores" || unit === "gpus" ? significant(value, 3) : formatValue(value, unit).replace(/(\.\d*[1-9])0+\u00a0|\.0+\u00a0/, `$1${NBSP}`);
}

const SECONDS = [1, 2, 5, 10, 15, 20, 30];
/** What lies between the times of an axis, in seconds. */
export const TIME_INCREMENTS = [
  ...[0.001, 0.01, 0.1].flatMap((size) => [1, 2, 5].map((n) => Number((n * size).toPrecision(1)))),
  ...SECONDS,
  ...SECONDS.map((n) => n * 60),
  ...[1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 192, 384].map((n) => n * 3600),
];

/** Least room of a time on the axis. */
export const TIME_SPACE = 64;

const TIME_UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]] as const;

/** Elapsed time on the axis, in one unit for all ticks, of which they are halves at least; back from `end` where there is one. */
export function elapsedTicks(splits: number[], increment: number, end = 0): string[] {
  if (end) return splits.map((value) => (value === end ? "end" : `−${significant(end - value, 4)}${NBSP}s`));
  const last = splits[splits.length - 1] ?? 0;
  const whole = TIME_UNITS.find(([size]) => size === 1 || ((last >= 2 * size || increment >= size) && increment % (size / 2) === 0));
  const [size, name] = last < 1 || !whole ? [0.001, "ms"] : whole;
  return splits.map((value) => (value === 0 ? "0" : `${significant(value / size, 9)}${NBSP}${name}`));
}

/** Elapsed time in words: "1 h 3 min 12 s". */
export function elapsed(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)}${NBSP}ms`;
  if (seconds < 60) return `${trim(seconds.toFixed(1))}${NBSP}s`;
  const parts: string[] = [];
  let rest = Math.round(seconds);
  for (const [size, name] of TIME_UNITS) {
    if (rest >= size && parts.length < 3) {
      parts.push(`${Math.floor(rest / size)}${NBSP}${name}`);
      rest %= size;
    }
  }
  return parts.join(" ");
}

/** The same of a time that goes on, as the page was made with: every part, so that it stays as wide from second to second. */
export function running(seconds: number): string {
  const whole = Math.floor(seconds);
  const sizes = [86400, 3600, 60, 1];
  const names = ["d", "h", "min", "s"];
  const first = whole < 1 ? sizes.length - 1 : sizes.findIndex((size) => whole >= size);
  const parts = sizes.slice(first).map((size, i) => {
    const above = sizes[first + i - 1];
    const count = String(Math.floor((i && above ? whole % above : whole) / size));
    return `${i ? count.padStart(2, "0") : count}${NBSP}${names[first + i]}`;
  });
  return parts.join(" ");
}

export function clock(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().slice(11, 19);
}
