// One small multiple: its options for uPlot, and what is drawn on top of it.
import uPlot from "uplot";
import { atEdges, hasStrip, unpack, type ChartData, type Gaps, type Line, type SeriesData, type SpanData, type Values, type Who } from "./data";
import { elapsedTicks, formatTick, TIME_INCREMENTS, TIME_SPACE } from "./format";
import type { Theme } from "./theme";

const HEIGHT = 128;
const PAPER_HEIGHT = 96;
const TIGHT_HEIGHT = 76;
const AXIS_WIDTH = 54;
/** Height of the names of marked stretches, and how far a short one's may reach beyond it. */
const STRIP = 16;
const OVERHANG = 90;
/** Half the width of a name on the time axis. */
const END_ROOM = 20;
/** Rows are drawn as steps while each is wide enough to be seen as one. */
const STEPPED_UP_TO = 120;

export function isStepped(x: Values): boolean {
  return x.length - 1 <= STEPPED_UP_TO;
}

/** A request or limit this far above the data would flatten it: it is named at the upper edge instead. */
const FAR = 2.6;
/** Machines have whole cores, mostly powers of two of them. */
const CORE_INCREMENTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((power) => 2 ** power)];

/** What stands behind the lines of all charts; `end`: ticks count back from there. */
export interface Marks {
  gaps: Gaps;
  spans: SpanData[];
  end: number;
}

export interface Track {
  who: Who;
  /** The highest rows of merged points: drawn as a band, never listed. */
  high: boolean;
}

export interface Built {
  options: uPlot.Options;
  data: uPlot.AlignedData;
  tracks: Track[];
}

export function chartValues(x: Values, chart: ChartData): uPlot.AlignedData {
  const columns = chart.series.flatMap((series) => [
    ...(series.high ? [atEdges(unpack(series.high))] : []),
    atEdges(unpack(series.data)),
  ]);
  return [x as number[], ...columns];
}

function heightHere(): number {
  const looks = document.documentElement.className;
  return looks.includes("tight") ? TIGHT_HEIGHT : looks.includes("paper") ? PAPER_HEIGHT : HEIGHT;
}

export function buildChart(chart: ChartData, x: Values, marks: Marks, width: number, theme: Theme): Built {
  const stepped = isStepped(x);
  const tracks: Track[] = [];
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const one of chart.series) {
    if (one.high) {
      tracks.push({ who: one.who, high: true });
      series.push(highSeries(stepped));
      bands.push({ series: [series.length - 1, series.length], fill: one.who === "machine" ? theme.machineBand : theme.band });
    }
    tracks.push({ who: one.who, high: false });
    series.push(lineSeries(one, stepped, theme));
  }
  const range = (u: uPlot): [number, number] => [0, top(u, tracks, chart.lines, hasStrip(marks.spans) ? 1.22 : 1.12)];
  const options: uPlot.Options = {
    width,
    height: Math.round(heightHere() * theme.zoom),
    padding: [hasStrip(marks.spans) ? STRIP * theme.zoom : 8, 1, 0, 0],
    legend: { show: false },
    scales: { x: { time: false, range: (_u, min, max) => [min, max] }, y: { range } },
    axes: [xAxis(marks.end, theme), yAxis(chart, theme)],
    series,
    bands,
    cursor: {
      y: false,
      drag: { x: true, y: false, dist: 6, setScale: true },
      points: { size: (_u, index) => (tracks[index - 1]?.high ? 0 : 6), width: 1.5, fill: theme.paper },
    },
    hooks: {
      drawAxes: [(u) => drawEndName(u, marks.end, theme), (u) => drawGaps(u, marks.gaps, theme), (u) => drawSpans(u, marks.spans, theme)],
      draw: [(u) => drawLines(u, chart.lines, theme)],
    },
  };
  return { options, data: chartValues(x, chart), tracks };
}

function path(stepped: boolean): uPlot.Series.PathBuilder {
  const { stepped: steps, linear } = uPlot.paths;
  if (!steps || !linear) throw new Error("uPlot was built without its paths");
  return stepped ? steps({ align: -1 }) : linear();
}

function lineSeries(series: SeriesData, stepped: boolean, theme: Theme): uPlot.Series {
  const stroke = { step: theme.step, peak: theme.peak, machine: theme.machine }[series.who];
  const line: uPlot.Series = { label: series.label, stroke, width: series.who === "step" ? 1.5 : 1, points: { show: false }, paths: path(stepped) };
  if (series.who === "step") line.fill = theme.stepFill;
  return line;
}

function highSeries(stepped: boolean): uPlot.Series {
  return { stroke: "transparent", width: 0, points: { show: false }, paths: path(stepped) };
}

function xAxis(end: number, theme: Theme): uPlot.Axis {
  return {
    stroke: theme.axis,
    font: theme.font,
    size: 22 * theme.zoom,
    gap: 4 * theme.zoom,
    space: TIME_SPACE * theme.zoom,
    incrs: TIME_INCREMENTS,
    values: (u, splits, _axis, _space, increment) => {
      const names = elapsedTicks(splits, increment, end);
      return names.map((name, i) => (nearEnd(u, splits[i] ?? 0) ? "" : name));
    },
    grid: { show: false },
    ticks: { stroke: theme.grid, width: 1, size: 4 },
    border: { show: true, stroke: theme.grid, width: 1 },
  };
}

/** Whether a name centred on this value would be cut off at the right edge. */
function nearEnd(u: uPlot, value: number): boolean {
  return u.bbox.width / uPlot.pxRatio - u.valToPos(value, "x") < END_ROOM;
}

/** The name that would be cut off, flush with the edge, so that plots reach as far as the text around them. */
function drawEndName(u: uPlot, end: number, theme: Theme): void {
  const axis = u.axes[0] as (uPlot.Axis & { _splits?: number[]; _found?: [number, number] }) | undefined;
  const splits = axis?._splits ?? [];
  const last = splits[splits.length - 1];
  if (last === undefined || !nearEnd(u, last)) return;
  const { ctx, bbox } = u;
  ctx.save();
  ctx.font = scaled(theme.font, uPlot.pxRatio);
  ctx.textAlign = "right";
  ctx.textBaseline = "top";
  ctx.fillStyle = theme.axis;
  const name = elapsedTicks(splits, axis?._found?.[0] ?? 1, end)[splits.length - 1] ?? "";
  ctx.fillText(name, bbox.left + bbox.width, bbox.top + bbox.height + 8 * uPlot.pxRatio);
  ctx.restore();
}

function yAxis(chart: ChartData, theme: Theme): uPlot.Axis {
  const whole = chart.unit === "cores" || chart.unit === "gpus";
  return {
    ...(whole ? { incrs: CORE_INCREMENTS } : {}),
    stroke: theme.axis,
    font: theme.font,
    size: AXIS_WIDTH * theme.zoom,
    gap: 4,
    space: 28 * theme.zoom,
    values: (_u, splits) => splits.map((value) => formatTick(value, chart.unit)),
    grid: { stroke: theme.grid, width: 1 },
    ticks: { show: false },
  };
}

/** The highest value in view of the lines that are shown and that `whose` picks. */
export function highest(u: uPlot, tracks: Track[], whose: (track: Track) => boolean): number {
  const [first, last] = u.series[0]?.idxs ?? [0, u.data[0].length - 1];
  let found = 0;
  tracks.forEach((track, i) => {
    if (!whose(track) || u.series[i + 1]?.show === false) return;
    const column = u.data[i + 1] ?? [];
    for (let j = first; j <= last; j++) found = Math.max(found, column[j] ?? 0);
  });
  return found;
}

/**
 * The upper end of the scale: beyond the step's data, and beyond the machine's and the lines if not far above. A line
 * takes `room` times its value, so that its name stands above it.
 */
function top(u: uPlot, tracks: Track[], lines: Line[], room: number): number {
  const step = highest(u, tracks, (track) => track.who !== "machine");
  const machine = highest(u, tracks, (track) => track.who === "machine");
  const data = step > 0 && machine > step * FAR ? step : Math.max(step, machine);
  const near = lines.filter((line) => data > 0 && line.value <= data * FAR).map((line) => line.value);
  return Math.max(data * 1.06, ...near.map((value) => value * room)) || 1;
}

/** What the scale does not reach, for the chart's caption: request, limit, a machine far busier than the step. */
export function beyond(u: uPlot, tracks: Track[], lines: Line[], text: (value: number) => string): string[] {
  const max = u.scales["y"]?.max ?? 0;
  const names = lines.filter((line) => line.value > max).map((line) => line.label);
  const machine = highest(u, tracks, (track) => track.who === "machine");
  return machine > max ? [...names, `machine ${text(machine)}`] : names;
}

/** Dashed lines for request and limit, each with its name. */
function drawLines(u: uPlot, lines: Line[], theme: Theme): void {
  const { ctx } = u;
  const ratio = uPlot.pxRatio;
  const { left, width } = u.bbox;
  const max = u.scales["y"]?.max ?? 0;
  const reached = lines.filter((line) => line.value <= max);
  ctx.save();
  ctx.font = scaled(theme.font, 0.95 * ratio);
  ctx.textAlign = "right";
  ctx.textBaseline = "alphabetic"; // the axes leave their own
  for (const line of reached) {
    const y = Math.round(u.valToPos(line.value, "y", true));
    ctx.strokeStyle = line.kind === "requested" ? theme.requested : theme.limit;
    ctx.setLineDash(line.kind === "requested" ? [5 * ratio, 3 * ratio] : [1.5 * ratio, 2.5 * ratio]);
    ctx.lineWidth = ratio;
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  }
  labels(u, reached, theme);
  ctx.restore();
}

/** Hatches stretches that nobody looked at, and a dotted line where the machine slept; below the data. */
function drawGaps(u: uPlot, gaps: Gaps, theme: Theme): void {
  const { ctx } = u;
  const ratio = uPlot.pxRatio;
  const { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.strokeStyle = theme.axis;
  ctx.lineWidth = ratio;
  for (const [from, to] of gaps.unwatched ?? []) hatch(u, from, to);
  ctx.setLineDash([1.5 * ratio, 2.5 * ratio]);
  for (const at of gaps.slept ?? []) {
    const x = Math.round(u.valToPos(at, "x", true));
    stroke(ctx, x, top, x, top + height);
  }
  ctx.restore();
}

/** The font in device pixels, as canvases count. */
function scaled(font: string, times: number): string {
  return font.replace(/^[\d.]+px/, (size) => `${Number.parseFloat(size) * times}px`);
}

/**
 * Stretches that the step marked: tinted, with a bar and their name in a strip of their own above; a moment is a line.
 * Stretches within others, and many of one name, are in the table only.
 */
function drawSpans(u: uPlot, spans: SpanData[], theme: Theme): void {
  const { ctx } = u;
  const ratio = uPlot.pxRatio;
  const { left, top, width, height } = u.bbox;
  const right = left + width;
  const strip = STRIP * theme.zoom * ratio;
  const inView = spans
    .filter(([, , , , , drawn]) => drawn)
    .map(([label, from, to]) => ({ label, start: u.valToPos(from, "x", true), end: to === null ? right : u.valToPos(to, "x", true) }))
    .filter(({ start, end }) => end >= left && start <= right);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top - strip, width, height + strip);
  ctx.clip();
  ctx.font = scaled(theme.font, 0.95 * ratio);
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  let free = left;
  inView.forEach(({ label, start, end }, index) => {
    ctx.fillStyle = theme.markFill;
    ctx.fillRect(start, top, end - start, height);
    ctx.fillStyle = theme.mark;
    ctx.fillRect(start, top, Math.max(end - start, ratio), 2 * ratio);
    const above = end - start < 2 * ratio ? 4 * ratio : 0; // a moment stands out of its stretch
    ctx.fillRect(start, top - above, ratio, height + above);
    // A short stretch may write beyond its end, up to the next one.
    const next = inView[index + 1]?.start ?? right;
    const at = Math.max(start, free) + 2 * ratio;
    const text = fitted(ctx, label, Math.min(Math.max(end, Math.min(next, start + OVERHANG * ratio)), right) - at);
    if (!text) return;
    free = at + ctx.measureText(text).width + 4 * ratio;
    ctx.fillText(text, at, top - 4 * ratio);
  });
  ctx.restore();
}

/** As much of a name as there is room for, nothing where that is less than three letters. */
function fitted(ctx: CanvasRenderingContext2D, text: string, room: number): string {
  if (ctx.measureText(text).width <= room) return text;
  for (let length = Math.min(text.length - 1, 40); length >= 3; length--) {
    const cut = `${text.slice(0, length)}…`;
    if (ctx.measureText(cut).width <= room) return cut;
  }
  return "";
}

/** Slanted lines, at the same places whatever stretch they fill. */
function hatch(u: uPlot, from: number, to: number): void {
  const { ctx } = u;
  const { top, height } = u.bbox;
  const step = 6 * uPlot.pxRatio;
  const start = u.valToPos(from, "x", true);
  const end = Math.max(u.valToPos(to, "x", true), start + 2 * uPlot.pxRatio);
  ctx.save();
  ctx.beginPath();
  ctx.rect(start, top, end - start, height);
  ctx.clip();
  ctx.globalAlpha = 0.35;
  for (let x = Math.floor((start - height) / step) * step; x < end; x += step) stroke(ctx, x, top + height, x + height, top);
  ctx.restore();
}

function stroke(ctx: CanvasRenderingContext2D, fromX: number, fromY: number, toX: number, toY: number): void {
  ctx.beginPath();
  ctx.moveTo(fromX, fromY);
  ctx.lineTo(toX, toY);
  ctx.stroke();
}

/** Names of the lines: above each, or below where the line above is too near. */
function labels(u: uPlot, lines: Line[], theme: Theme): void {
  const ratio = uPlot.pxRatio;
  const right = u.bbox.left + u.bbox.width - 2 * ratio;
  const placed: number[] = [];
  const height = 12 * ratio * theme.zoom;
  // Names of marked stretches stand above the plot, and their bars at its edge: labels stay below.
  const least = u.bbox.top > 10 * ratio * theme.zoom ? u.bbox.top + height : 0.75 * height;
  for (const line of [...lines].sort((a, b) => b.value - a.value)) {
    const y = Math.round(u.valToPos(line.value, "y", true));
    const candidates = [y - 4 * ratio * theme.zoom, y + height];
    const free = candidates.find((at) => placed.every((other) => Math.abs(other - at) > height) && at >= least);
    if (free === undefined) continue;
    placed.push(free);
    write(u.ctx, line.label, right, free, line.kind === "requested" ? theme.requested : theme.limit, theme);
  }
}

function write(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, colour: string, theme: Theme): void {
  ctx.setLineDash([]);
  ctx.lineJoin = "round";
  ctx.lineWidth = 3 * uPlot.pxRatio;
  ctx.strokeStyle = theme.paper;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}
