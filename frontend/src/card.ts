// Starts the card: draws what stands in the page, then answers to the reader and to live updates.
import type { Board } from "./board";
import { CoreMap } from "./cores";
import { wireCsv } from "./csv";
import { readPage, type CardData, type Who } from "./data";
import { startLive } from "./live";
import { updatePage, wireCopy, wirePrint } from "./page";
import { updateSpans, wireSpans } from "./spans";

declare global {
  interface Window {
    /** Metaflow calls it with the data of a live card; true: drawn in place, false: not data of this version. */
    metaflow_card_update?: (data: CardData | null | undefined) => boolean;
  }
}

const find = (id: string): HTMLElement | null => document.getElementById(id);

/** At the latest then; a page that nobody sees has no frames. */
const PAINTED_BY_MS = 500;

function afterPaint(go: () => void): void {
  let done = false;
  const once = (): void => {
    if (!done) go();
    done = true;
  };
  requestAnimationFrame(() => window.setTimeout(once));
  window.setTimeout(once, PAINTED_BY_MS);
}

/** What matters first: what the step needs, then all other text, then the charts; everything has its place from the start. */
function inTurn(draw: () => void): void {
  const classes = document.documentElement.classList;
  if (!performance.getEntriesByType("paint").length) classes.add("arriving");
  afterPaint(() => {
    classes.remove("arriving");
    afterPaint(draw);
  });
}

function start(): void {
  wireCopy();
  const grid = find("charts");
  const data = readPage();
  if (!data) return;
  const places = { readout: find("readout"), reset: find("reset-zoom") };
  const lastGrid = find("last-charts");
  let shown = data;
  let board: Board | null = null;
  let last: Board | null = null;
  let cores: CoreMap | null = null;
  const draw = async (): Promise<void> => {
    // In the page already, but evaluated only now: uPlot asks for the reader's language and time zone, which takes long.
    const { Board } = await import("./board");
    if (grid && !board && shown.charts.length) board = new Board(grid, shown, places);
    if (lastGrid && !last && data.last) last = new Board(lastGrid, data.last, { readout: find("last-readout"), reset: find("last-reset") });
    if (!cores && shown.cores) cores = new CoreMap(shown.cores, () => board);
    performance.mark("charts-drawn");
  };
  inTurn(() => void draw());
  const boards = (): Board[] => [board, last].filter((one) => one !== null);
  const live = startLive(data.live);
  wireCsv(() => board, data, () => cores?.columns() ?? []);
  wireSpans(() => board);
  window.metaflow_card_update = (fresh) => {
    if (fresh?.v !== data.v) return false;
    shown = fresh;
    updatePage(fresh);
    live(fresh.live);
    updateSpans(fresh.spans);
    if (grid && fresh.charts.length) find("charts-section")?.removeAttribute("hidden");
    board?.update(fresh);
    if (fresh.cores) cores?.update(fresh.cores);
    if ((!board && fresh.charts.length) || (!cores && fresh.cores)) void draw();
    return true;
  };
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-who]")) {
    button.addEventListener("click", () => {
      const shown = boards().map((one) => one.toggle(button.dataset["who"] as Who))[0] ?? true;
      button.setAttribute("aria-pressed", String(shown));
    });
  }
  const observer = new ResizeObserver(() => {
    boards().forEach((one) => one.resize());
    cores?.draw();
  });
  for (const one of [grid, lastGrid]) if (one) observer.observe(one);
  const redraw = (): void => {
    boards().forEach((one) => one.build());
    cores?.draw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  wirePrint(redraw);
}

start();
