// Each core over time: a line of cells for each, as dark as it was busy. Drawn when a reader opens it.
import type { Board } from "./board";
import type { Column } from "./csv";
import { unpack, type CoreData } from "./data";
import { elapsed, elapsedTicks, TIME_INCREMENTS, TIME_SPACE } from "./format";
import { put } from "./page";
import { readTheme, type Theme } from "./theme";

const LEVELS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY";
/** Heights of lines, and of all of them together, where they fit. */
const [LOW, HIGH, ROOM] = [5, 16, 320];
const AXIS = 18;
const MOST_TIMES = 8;

interface Line {
  label: string;
  values: (number | null)[];
}

/** Letters and lengths of runs back to numbers between 0 and 1; null where nothing is known. */
function levels(text: string): (number | null)[] {
  return [...text.matchAll(/([a-zA-Z.])(\d*)/g)].flatMap(([, letter = ".", count]) =>
    new Array<number | null>(Number(count || 1)).fill(letter === "." ? null : LEVELS.indexOf(letter) / (LEVELS.length - 1)),
  );
}

export class CoreMap {
  private readonly details = document.getElementById("cores") as HTMLDetailsElement | null;
  private readonly holder = document.querySelector<HTMLElement>("#cores .core-map");
  private readonly canvas = document.createElement("canvas");
  private readonly cursor = this.holder?.querySelector<HTMLElement>(".core-cursor") ?? null;
  private readonly readout = document.getElementById("core-readout");
  private lines: Line[] = [];
  private x: number[] = [];
  private view: [number, number] = [0, 1];
  private zoom: [number, number] | null = null;
  private line = 0;
  private left = 0;
  private height = 0;
  private ownMove = false;
  /** Says once more what the reader points at. */
  private again: (() => void) | null = null;

  constructor(
    data: CoreData,
    private readonly board: () => Board | null,
  ) {
    this.details?.addEventListener("toggle", () => this.details?.open && this.open());
    this.listen();
    this.update(data);
    if (this.details?.open) this.open();
  }

  /** New data of the same attempt: zoom and cursor stay. */
  update(data: CoreData): void {
    this.x = unpack(data.x).map(Number);
    this.lines = data.lines.map(([label, text]) => ({ label, values: levels(text) }));
    this.view = this.zoom ?? this.whole();
    if (this.details) this.details.hidden = false;
    this.fillTable(data);
    this.draw();
    queueMicrotask(() => this.again?.()); // after the charts', which would clear what is read
  }

  /** Also after the page's width, colours or zoom changed. */
  draw(): void {
    const { canvas, holder } = this;
    const ctx = canvas.getContext("2d");
    if (!holder || !ctx || !this.details?.open) return;
    const theme = readTheme();
    const ratio = window.devicePixelRatio || 1;
    const width = holder.clientWidth;
    this.height = Math.max(LOW, Math.min(HIGH, Math.floor(ROOM / this.lines.length))) * theme.zoom;
    const whole = this.height * this.lines.length;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round((whole + AXIS * theme.zoom) * ratio);
    canvas.style.height = `${whole + AXIS * theme.zoom}px`;
    ctx.scale(ratio, ratio);
    ctx.font = theme.font;
    this.left = Math.ceil(Math.max(...this.lines.map(({ label }) => ctx.measureText(label).width))) + 6;
    // Whole pixels of the screen: seams between cells would look like a pattern.
    const edges = this.x.map((x) => Math.round(Math.min(Math.max(this.pixel(x, width), this.left), width) * ratio) / ratio);
    this.drawCells(ctx, edges, theme);
    this.drawNames(ctx, width, whole, theme);
    this.cursor?.style.setProperty("height", `${whole}px`);
  }

  /** What is seen of it, for the file: nothing while it is closed. */
  columns(): Column[] {
    if (!this.details?.open) return [];
    return this.lines.map(({ label, values }) => ({
      name: `Core ${label} (share)`,
      at: (from, to) => values[this.place((from + to) / 2)] ?? null,
    }));
  }

  private open(): void {
    this.holder?.prepend(this.canvas);
    this.board()?.watch((x, view) => this.follow(x, view));
    this.draw();
  }

  private whole(): [number, number] {
    return [this.x[0] ?? 0, this.x[this.x.length - 1] ?? 1];
  }

  private drawCells(ctx: CanvasRenderingContext2D, edges: number[], theme: Theme): void {
    const gap = this.height > 7 ? 1 : 0;
    this.lines.forEach(({ values }, row) => {
      const top = row * this.height;
      values.forEach((value, index) => {
        const [from, to] = [edges[index] ?? 0, edges[index + 1] ?? 0];
        if (value === null || to <= from) return;
        ctx.globalAlpha = 1;
        ctx.fillStyle = theme.idle;
        ctx.fillRect(from, top, to - from, this.height - gap);
        ctx.globalAlpha = value;
        ctx.fillStyle = theme.step;
        ctx.fillRect(from, top, to - from, this.height - gap);
      });
    });
    ctx.globalAlpha = 1;
  }

  private drawNames(ctx: CanvasRenderingContext2D, width: number, whole: number, theme: Theme): void {
    const size = 11 * theme.zoom;
    const every = Math.ceil((size + 1) / this.height);
    ctx.fillStyle = theme.axis;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    this.lines.forEach(({ label }, row) => {
      if (row % every === 0) ctx.fillText(label, this.left - 4, Math.max((row + 0.5) * this.height, size / 2));
    });
    this.drawTimes(ctx, width, whole, theme);
  }

  /** Round times, as on the axes of the charts. */
  private drawTimes(ctx: CanvasRenderingContext2D, width: number, whole: number, theme: Theme): void {
    const [from, to] = this.view;
    const least = (to - from) * Math.max((TIME_SPACE * theme.zoom) / (width - this.left), 1 / MOST_TIMES);
    const step = TIME_INCREMENTS.find((increment) => increment >= least) ?? to - from;
    const first = Math.ceil(from / step - 0.01); // edges are rounded
    const times = Array.from({ length: Math.floor(to / step + 0.01) - first + 1 }, (_, index) => (first + index) * step);
    ctx.textAlign = "center";
    elapsedTicks(times, step).forEach((name, index) => {
      const at = this.pixel(times[index] ?? 0, width);
      const half = ctx.measureText(name).width / 2;
      ctx.fillRect(Math.round(at), whole, 1, 3);
      ctx.fillText(name, Math.min(Math.max(at, half), width - half), whole + (AXIS / 2 + 2) * theme.zoom);
    });
  }

  private pixel(x: number, width: number): number {
    const [from, to] = this.view;
    return this.left + ((x - from) / (to - from || 1)) * (width - this.left);
  }

  /** The point that covers a time. */
  private place(x: number): number {
    const next = this.x.findIndex((edge) => edge >= x);
    return Math.max(0, (next < 0 ? this.x.length - 1 : next) - 1);
  }

  private listen(): void {
    const { holder } = this;
    if (!holder) return;
    const follow = (event: PointerEvent): void => {
      const box = holder.getBoundingClientRect();
      const [from, to] = this.view;
      const share = (event.clientX - box.left - this.left) / (box.width - this.left);
      const line = Math.floor((event.clientY - box.top) / this.height);
      if (share < 0 || share > 1 || line < 0 || line >= this.lines.length) return this.point(null);
      this.line = line;
      this.point(from + share * (to - from));
    };
    const leave = (): void => {
      this.again = null;
      this.point(null);
    };
    holder.addEventListener("pointermove", (event) => {
      this.again = () => follow(event);
      follow(event);
    });
    holder.addEventListener("pointerleave", leave);
    holder.addEventListener("blur", leave);
    let at = 0;
    holder.addEventListener("keydown", (event) => {
      const [move, step] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-Infinity, 0], End: [Infinity, 0] }[event.key] ?? [];
      if (move === undefined || step === undefined) return;
      at = Math.min(Math.max(at + move, 0), this.x.length - 2);
      this.line = Math.min(Math.max(this.line + step, 0), this.lines.length - 1);
      const x = ((this.x[at] ?? 0) + (this.x[at + 1] ?? 0)) / 2;
      this.again = () => this.point(x);
      this.point(x);
      event.preventDefault();
    });
  }

  /** Cursor and words here, and the cursor of all charts. */
  private point(x: number | null): void {
    this.show(x);
    const line = this.lines[this.line];
    const value = x === null ? null : line?.values[this.place(x)];
    const text = value == null ? "not known" : `${Math.round(value * 100)} %`;
    if (this.readout) this.readout.textContent = x === null || !line ? "" : `${line.label.includes("–") ? "cores" : "core"} ${line.label}: ${text}, ${elapsed(x)} after start`;
    this.ownMove = true;
    this.board()?.pointAt(x);
    this.ownMove = false;
  }

  /** What the charts show: their cursor, and the part of the time that is in view. */
  private follow(x: number | null, view: [number, number] | null): void {
    this.zoom = view;
    const wanted = view ?? this.whole();
    if (wanted[0] !== this.view[0] || wanted[1] !== this.view[1]) {
      this.view = wanted;
      this.draw();
    }
    if (this.ownMove) return;
    this.show(x);
    if (this.readout) this.readout.textContent = "";
  }

  private show(x: number | null): void {
    const { cursor, holder } = this;
    if (!cursor || !holder) return;
    const at = x === null ? -1 : this.pixel(x, holder.clientWidth);
    cursor.hidden = at < this.left || at > holder.clientWidth;
    cursor.style.left = `${at}px`;
  }

  /** Where the same lines stand, their words alone change. */
  private fillTable(data: CoreData): void {
    const body = document.querySelector<HTMLTableSectionElement>("#cores tbody");
    if (!body) return;
    while (body.rows.length > data.lines.length) body.deleteRow(-1);
    data.lines.forEach(([label, , ...cells], index) => {
      const row = body.rows[index] ?? body.insertRow();
      if (!row.cells.length) {
        const head = document.createElement("th");
        head.scope = "row";
        row.append(head, ...cells.map(() => document.createElement("td")));
      }
      [label, ...cells].forEach((text, place) => {
        const cell = row.cells[place];
        if (cell) put(cell, text);
      });
    });
  }
}
