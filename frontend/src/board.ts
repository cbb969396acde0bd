// All charts together: one cursor, one zoom, one legend.
import uPlot from "uplot";
import { beyond, buildChart, chartValues, highest, isStepped, type Track } from "./chart";
import { cell, type Column } from "./csv";
import { append, hasStrip, unpack, type BoardData, type ChartData, type Gaps, type SpanData, type Values, type Who } from "./data";
import { clock, elapsed, formatValue } from "./format";
import { readTheme } from "./theme";

interface Panel {
  chart: ChartData;
  plot: uPlot;
  tracks: Track[];
  holder: HTMLElement;
  values: HTMLElement;
  note: HTMLElement;
}

/** Where a board writes, and the button that undoes its zoom. */
export interface Places {
  readout: HTMLElement | null;
  reset: HTMLElement | null;
}

/** What an update did: points (as edges in time) in all, those that stayed as they were, charts that were drawn again. */
interface Updated {
  points: number;
  kept: number;
  drawn: number;
}

const UNIT_NAMES = { cores: "cores", gpus: "", bytes: "", bytes_per_s: "" } as const;

export class Board {
  private panels: Panel[] = [];
  private data: BoardData;
  private x: Values;
  private readonly gaps: Gaps = {};
  private readonly spans: SpanData[] = [];
  private zoom: [number, number] | null = null;
  private readonly hidden = new Set<Who>();
  private spreading = false;
  /** The moment that the keys have moved to, or the chart that the mouse points at. */
  private keyed: number | null = null;
  private pointed: uPlot | null = null;
  private watcher: ((x: number | null, view: [number, number] | null) => void) | null = null;

  constructor(
    private readonly grid: HTMLElement,
    data: BoardData,
    private readonly places: Places,
  ) {
    this.data = data;
    this.x = data.x ? unpack(data.x) : [];
    this.takeMarks(data);
    this.build();
    this.listen();
  }

  /**
   * New data of the same card. Points that were drawn stay as they are, what came since is added to them, and what
   * cannot be seen is not drawn; zoom, legend and cursor stay. Tells in an event of the charts what it did.
   */
  update(data: BoardData): void {
    const x = data.x ? unpack(data.x) : [];
    const same =
      hasStrip(data.spans ?? []) === hasStrip(this.spans) &&
      data.charts.map(shape).join() === this.data.charts.map(shape).join() &&
      isStepped(x) === isStepped(this.x);
    const marked = text([data.gaps, data.spans]) !== text([this.data.gaps, this.data.spans]);
    this.data = data;
    this.takeMarks(data);
    if (!same) {
      this.x = x;
      this.build();
      this.tell({ kept: 0, points: x.length, drawn: this.panels.length });
      return;
    }
    const most = Math.max(this.x.length, x.length);
    const whole = append(this.x, x);
    let [kept, drawn] = [whole, 0];
    this.panels.forEach((panel, index) => {
      const chart = data.charts[index] ?? panel.chart;
      const lines = text(panel.chart.lines) !== text(chart.lines);
      const from = takeChart(panel, chart, whole);
      kept = Math.min(kept, from);
      if (!marked && !lines && from === most) return;
      if (this.redraw(panel, marked || lines ? 0 : from)) drawn += 1;
    });
    this.readAgain();
    this.tell({ kept, points: x.length, drawn });
  }

  /** False where nothing from that point on is in view. */
  private redraw({ plot }: Panel, from: number): boolean {
    const { zoom } = this;
    if (zoom === null) {
      this.quietly(() => plot.setData(plot.data));
      return true;
    }
    plot.setData(plot.data, false);
    if ((this.x[from - 1] ?? -Infinity) > zoom[1]) return false;
    this.quietly(() => plot.setScale("x", { min: zoom[0], max: zoom[1] }));
    return true;
  }

  /** What is read stays where the reader points: with the keys at a moment, with the mouse at a place. */
  private readAgain(): void {
    queueMicrotask(() => {
      if (this.keyed === null) this.describe(this.pointed?.cursor.idx ?? null);
      else this.moveTo(lastAt(this.x, this.keyed));
    });
  }

  /** For whoever wants to know what an update did, such as a test. */
  private tell(detail: Updated): void {
    this.grid.dispatchEvent(new CustomEvent<Updated>("updated", { detail }));
  }

  /** Gaps and spans, in the objects that the charts draw from. */
  private takeMarks(data: BoardData): void {
    Object.assign(this.gaps, { unwatched: [], slept: [], jumps: [], ...data.gaps });
    this.spans.splice(0, Infinity, ...(data.spans ?? []));
  }

  /** Builds everything anew: first draw, another theme, another set of charts. */
  build(): void {
    for (const panel of this.panels) panel.plot.destroy();
    const theme = readTheme();
    this.panels = this.data.charts.map((chart, index) => {
      const figure = this.figure(chart, index);
      const holder = figure.querySelector<HTMLElement>(".plot");
      const values = figure.querySelector<HTMLElement>(".values");
      const note = figure.querySelector<HTMLElement>(".beyond");
      if (!holder || !values || !note) throw new Error("the page has no place for a chart");
      const { options, data, tracks } = buildChart(chart, this.x, { gaps: this.gaps, spans: this.spans, end: this.data.end ?? 0 }, holder.clientWidth, theme);
      options.hooks = {
        ...options.hooks,
        draw: [...(options.hooks?.draw ?? []), (u) => nameBeyond(note, beyond(u, tracks, chart.lines, (value) => formatValue(value, chart.unit)))],
        setCursor: [(u) => this.onCursor(u)],
        setScale: [(u, key) => this.onScale(u, key)],
      };
      this.spreading = true;
      const plot = new uPlot(options, data, holder);
      this.spreading = false;
      return { chart, plot, tracks, holder, values, note };
    });
    while (this.grid.children.length > this.panels.length) this.grid.lastElementChild?.remove();
    this.applyHidden();
    this.applyZoom();
    this.describe(null);
  }

  resize(): void {
    for (const { plot, holder } of this.panels) {
      const width = holder.clientWidth;
      if (width && width !== plot.width) plot.setSize({ width, height: plot.height });
    }
  }

  /** Tells `watcher` from now on where the cursor is, and which part of the time is in view. */
  watch(watcher: (x: number | null, view: [number, number] | null) => void): void {
    this.watcher = watcher;
    watcher(null, this.zoom);
  }

  /** The cursor to the row in which a time lies. */
  pointAt(x: number | null): void {
    const found = x === null ? -1 : this.x.findIndex((edge) => edge !== null && edge >= x);
    this.moveTo(found < 0 ? null : found);
  }

  toggle(who: Who): boolean {
    if (!this.hidden.delete(who)) this.hidden.add(who);
    this.applyHidden();
    return !this.hidden.has(who);
  }

  /** To a stretch and a little around it, so that its ends can be seen; a moment gets a twentieth of all there is. */
  zoomTo(from: number, to: number | null): void {
    const [first, last] = [this.x[0] ?? 0, this.x[this.x.length - 1] ?? 1];
    const end = to ?? last;
    const room = end > from ? (end - from) * 0.04 : (last - first) / 40;
    this.zoom = [Math.max(first, from - room), Math.min(last, end + room)];
    this.applyZoom();
    this.grid.scrollIntoView({ block: "nearest" });
  }

  /** The moments in view and the lines that are shown, peaks of merged rows included; then `others`, by time. */
  csv(others: Column[] = []): string {
    const columns = this.panels.flatMap(({ chart, plot, tracks }) =>
      tracks.flatMap((track, i) => {
        if (this.hidden.has(track.who)) return [];
        const unit = { cores: "cores", gpus: "GPUs", bytes: "bytes", bytes_per_s: "bytes/s" }[chart.unit];
        const whose = { step: "step", peak: "step highest moment", machine: "machine" }[track.who];
        return [{ name: `${chart.title} ${whose}${track.high ? " highest row" : ""} (${unit})`, values: plot.data[i + 1] ?? [] }];
      }),
    );
    const [min, max] = this.zoom ?? [-Infinity, Infinity];
    const lines = [["seconds from", "seconds to", "UTC", ...[...columns, ...others].map((column) => column.name)].map(cell).join(",")];
    for (let i = 1; i < this.x.length; i++) {
      const [from, to] = [this.x[i - 1] ?? 0, this.x[i] ?? 0];
      if (to < min || from > max) continue;
      const time = new Date(this.wallTime(to) * 1000).toISOString();
      const values = [...columns.map((column) => column.values[i]), ...others.map((column) => column.at(from, to))].map((value) => (value == null ? "" : String(Number(value.toPrecision(6)))));
      lines.push([String(round(from)), String(round(to)), time, ...values].join(","));
    }
    return `${lines.join("\r\n")}\r\n`;
  }

  resetZoom(): void {
    this.zoom = null;
    this.applyZoom();
  }

  private figure(chart: ChartData, index: number): HTMLElement {
    const old = this.grid.children[index];
    const figure = document.createElement("figure");
    figure.className = "chart";
    const caption = document.createElement("figcaption");
    const title = document.createElement("span");
    title.className = "chart-title";
    title.textContent = chart.title;
    const note = document.createElement("span");
    note.className = "beyond";
    const values = document.createElement("span");
    values.className = "values";
    caption.append(title, note, values);
    const holder = document.createElement("div");
    holder.className = "plot";
    figure.append(caption, holder);
    if (old) old.replaceWith(figure);
    else this.grid.append(figure);
    return figure;
  }

  private listen(): void {
    this.grid.addEventListener("keydown", (event) => this.onKey(event));
    this.grid.addEventListener("blur", () => this.moveTo(null));
    this.places.reset?.addEventListener("click", () => {
      this.resetZoom();
      this.grid.focus();
    });
  }

  private onKey(event: KeyboardEvent): void {
    const last = this.x.length - 1;
    const now = this.panels[0]?.plot.cursor.idx ?? null;
    const stride = event.shiftKey ? 10 : 1;
    const target = {
      ArrowRight: now === null ? 0 : Math.min(now + stride, last),
      ArrowLeft: now === null ? last : Math.max(now - stride, 0),
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") this.resetZoom();
    else if (target !== undefined) this.moveTo(target);
    else return;
    event.preventDefault();
  }

  private moveTo(index: number | null): void {
    this.keyed = index === null ? null : (this.x[index] ?? null);
    this.pointed = null;
    this.quietly(() => {
      for (const { plot } of this.panels) {
        const x = index === null ? undefined : this.x[index];
        if (x == null) plot.setCursor({ left: -10, top: -10 }, false);
        else plot.setCursor({ left: plot.valToPos(x, "x"), top: 10 }, false);
      }
    });
    this.describe(index);
  }

  private onCursor(source: uPlot): void {
    if (this.spreading) return;
    const left = source.cursor.left ?? -10;
    this.keyed = null;
    this.pointed = left < 0 ? null : source;
    const share = source.over.clientWidth ? left / source.over.clientWidth : 0;
    this.quietly(() => {
      for (const { plot } of this.panels) {
        if (plot === source) continue;
        const at = left < 0 ? { left: -10, top: -10 } : { left: share * plot.over.clientWidth, top: 10 };
        plot.setCursor(at, false);
      }
    });
    this.describe(left < 0 ? null : (source.cursor.idx ?? null));
  }

  private onScale(source: uPlot, key: string): void {
    if (key !== "x" || this.spreading) return;
    const { min, max } = source.scales["x"] ?? {};
    if (min == null || max == null) return;
    const whole = min <= (this.x[0] ?? 0) && max >= (this.x[this.x.length - 1] ?? 0);
    this.zoom = whole ? null : [min, max];
    this.applyZoom(source);
  }

  private applyZoom(except?: uPlot): void {
    const [min, max] = this.zoom ?? [this.x[0] ?? 0, this.x[this.x.length - 1] ?? 1];
    this.quietly(() => {
      for (const { plot } of this.panels) if (plot !== except) plot.setScale("x", { min: min ?? 0, max: max ?? 1 });
    });
    if (this.places.reset) this.places.reset.hidden = this.zoom === null;
    this.describe(null);
  }

  private applyHidden(): void {
    for (const { plot, tracks } of this.panels) {
      plot.batch(() => tracks.forEach((track, i) => plot.setSeries(i + 1, { show: !this.hidden.has(track.who) })));
    }
    this.describe(null);
  }

  /** What the hooks would answer to is ours already: uPlot fires them later, so the guard falls later too. */
  private quietly(change: () => void): void {
    this.spreading = true;
    change();
    queueMicrotask(() => queueMicrotask(() => (this.spreading = false)));
  }

  /** Values at a point, or where there is no cursor the highest that can be seen. */
  private describe(index: number | null): void {
    for (const panel of this.panels) this.describePanel(panel, index);
    const x = (index === null ? null : this.x[index]) ?? null;
    this.watcher?.(x, this.zoom);
    const { readout } = this.places;
    if (!readout) return;
    const end = this.data.end;
    const when = (at: number): string => {
      if (end === undefined) return `${elapsed(at)} after start`;
      return end - at < 0.05 ? "at the end" : `${elapsed(end - at)} before the end`;
    };
    readout.textContent = x == null ? "" : `${when(x)}, ${clock(this.wallTime(x))} UTC`;
  }

  /** Unix time at a point: where the machine slept, or its clock was set, it is not the start's plus what passed. */
  private wallTime(x: number): number {
    const passed = (this.gaps.jumps ?? []).filter(([at]) => at <= x);
    return passed.reduce((time, [, seconds]) => time + seconds, this.data.start + x);
  }

  private describePanel({ chart, plot, tracks, values }: Panel, index: number | null): void {
    values.replaceChildren();
    if (index === null) {
      const most = highest(plot, tracks, counted(chart, tracks));
      // Of some milliseconds, no row may have seen a clock tick of CPU time: that is not none.
      if (most || chart.unit !== "cores") values.append(`max ${formatValue(most, chart.unit)} ${UNIT_NAMES[chart.unit]}`.trim());
      return;
    }
    [...tracks.keys()].reverse().forEach((i) => {
      const track = tracks[i];
      const value = plot.data[i + 1]?.[index];
      if (!track || track.high || value == null || this.hidden.has(track.who)) return;
      const item = document.createElement("span");
      item.className = `value ${track.who}`;
      item.textContent = formatValue(value, chart.unit);
      values.append(item);
    });
  }
}

/**
 * Whose highest value a chart's caption gives: the step's, or where it has no line here, the machine's. For CPU that is
 * the busiest row, as in the rest of the page, not the busiest moment within one.
 */
function counted(chart: ChartData, tracks: Track[]): (track: Track) => boolean {
  const own = (track: Track): boolean => track.who === "step" || (track.who === "peak" && chart.unit !== "cores");
  return tracks.some(own) ? own : () => true;
}

/** Puts what is new into a chart's columns; returns the first point that is not as it was. */
function takeChart(panel: Panel, chart: ChartData, kept: number): number {
  panel.chart.lines.splice(0, Infinity, ...chart.lines); // in place: what draws them holds this list
  panel.chart.series = chart.series;
  const [, ...fresh] = chartValues([], chart);
  return Math.min(kept, ...fresh.map((column, i) => append(panel.plot.data[i + 1] as Values, column as Values)));
}

/** The last point that is not after a moment. */
function lastAt(x: Values, time: number): number {
  let index = x.length - 1;
  while (index > 0 && (x[index] ?? 0) > time) index--;
  return index;
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

function round(seconds: number): number {
  return Number(seconds.toFixed(3));
}

function nameBeyond(note: HTMLElement, names: string[]): void {
  const text = names.length ? `${names.join(", ")} ↑` : "";
  if (note.textContent !== text) note.textContent = text;
}

function shape(chart: ChartData): string {
  return `${chart.id}:${chart.series.map((series) => series.who + (series.high ? "+" : "")).join("/")}`;
}
