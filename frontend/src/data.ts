// The page's data, as resource_tracker.report.model.card_data writes it.

export type Packed = { q: number; d: (number | null)[] } | { c: number; n: number };
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
  ticks: [at: number, text: string][];
}

export interface CardData {
  v: number;
  tone: string;
  texts: Record<string, string>;
  scales: ScaleData[];
  start: number;
  x: Packed | null;
  charts: ChartData[];
}

export type Values = (number | null)[];

/** Whole multiples of a quantum, written as differences, back to numbers; null is a gap. */
export function unpack(packed: Packed): Values {
  if ("c" in packed) return new Array<number>(packed.n).fill(packed.c);
  let steps = 0;
  return packed.d.map((difference) => (difference === null ? null : (steps += difference) * packed.q));
}

/** Values of points as values at the points' ends, the first also at its start: one point is then a line. */
export function atEdges(values: Values): Values {
  return values.length ? [values[0] ?? null, ...values] : [];
}

export function readPage(): CardData | null {
  const element = document.getElementById("card-data");
  return element?.textContent ? (JSON.parse(element.textContent) as CardData) : null;
}
