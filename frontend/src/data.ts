// The page's data, as resource_tracker.report.model.card_data writes it.

/** A series: whole multiples of `q` as differences in the variable-length base64 of source maps, or a constant. */
export type Packed = { q: number; d: string } | { c: number; n: number };
export type Unit = "cores" | "bytes" | "bytes_per_s" | "gpus";
export type Who = "step" | "peak" | "machine";

export interface SeriesData {
  who: Who;
  label: string;
  data: Packed;
  high?: Packed | null;
}

export interface Line {
  kind: "requested" | "limit" | "installed";
  value: number;
  label: string;
}

export interface ChartData {
  id: string;
  title: string;
  unit: Unit;
  series: SeriesData[];
  lines: Line[];
}

export interface ScaleData {
  key: string;
  shown: boolean;
  summary: string;
  marks: Record<string, [at: number | null, text: string, beyond: boolean]>;
  ticks: [at: number, text: string, shift: number][];
}

/** Time that nobody looked at, in seconds since the start; `jumps`: from when on the wall clock is how much further. */
export interface Gaps {
  unwatched?: [from: number, to: number][];
  slept?: number[];
  jumps?: [at: number, seconds: number][];
}

export type TileData = [key: string, name: string, now: string, note: string, at: number | null, peakAt: number | null];

/** What a running step uses now; `updated_at` is the Unix time of its last figures, `refresh_s` when the next are due. */
export interface LiveData {
  elapsed: string;
  elapsed_s: number;
  updated_at: number;
  updated: string;
  refresh_s: number;
  tiles: TileData[];
  projections: [kind: string, text: string][];
}

/** A stretch that the step marked, in seconds since the start; without an end it is still open. */
export type SpanData = [label: string, from: number, to: number | null, depth: number, cells: string[], drawn: boolean];

/** Each core over time: levels as letters, and the words of its table. */
export interface CoreData {
  x: Packed;
  lines: [label: string, levels: string, mean: string, busiest: string][];
}

/** What a board draws; `end`: its time is counted back from there. */
export interface BoardData {
  start: number;
  x: Packed | null;
  gaps: Gaps;
  charts: ChartData[];
  spans?: SpanData[];
  end?: number;
}

export interface CardData extends BoardData {
  v: number;
  tone: string;
  texts: Record<string, string>;
  scales: ScaleData[];
  live: LiveData | null;
  spans: SpanData[];
  last: BoardData | null;
  cores: CoreData | null;
}

export type Values = (number | null)[];

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const GAP = ".";

/** A packed series back to numbers; null is a gap. */
export function unpack(packed: Packed): Values {
  if ("c" in packed) return new Array<number>(packed.n).fill(packed.c);
  const values: Values = [];
  let steps = 0;
  let number = 0;
  let place = 1;
  for (const character of packed.d) {
    if (character === GAP) {
      values.push(null);
      continue;
    }
    const digit = BASE64.indexOf(character);
    number += (digit & 31) * place;
    place *= 32;
    if (digit & 32) continue;
    const size = Math.floor(number / 2);
    steps += number % 2 ? -size : size;
    values.push(steps * packed.q);
    number = 0;
    place = 1;
  }
  return values;
}

/** Values of points as values at the points' ends, the first also at its start: one point is then a line. */
export function atEdges(values: Values): Values {
  return values.length ? [values[0] ?? null, ...values] : [];
}

/** Makes `drawn` what `fresh` is, in place; returns how many values at its start were so already. */
export function append(drawn: Values, fresh: Values): number {
  let kept = 0;
  const most = Math.min(drawn.length, fresh.length);
  while (kept < most && drawn[kept] === fresh[kept]) kept++;
  drawn.length = kept;
  for (let index = kept; index < fresh.length; index++) drawn.push(fresh[index] ?? null);
  return kept;
}

/** Whether the charts leave room for names of stretches. */
export function hasStrip(spans: SpanData[]): boolean {
  return spans.some((span) => span[5]);
}

export function readPage(): CardData | null {
  const element = document.getElementById("card-data");
  return element?.textContent ? (JSON.parse(element.textContent) as CardData) : null;
}
