// The panel of a running step: figures of each update, and between two of them the time that passes.
import type { LiveData, TileData } from "./data";
import { elapsed } from "./format";

/**
 * Without an update for so long, nobody sends them any more: they come every few seconds, those of a long step more
 * seldom, of a day every two minutes.
 */
const SILENT_S = 150;
const SILENT_SHARE = 1 / 240;
const TICK_MS = 1000;

/** Shows what is in the page already; returns what takes the live part of each update. */
export function startLive(first: LiveData | null): (live: LiveData | null) => void {
  let shown = first;
  let receivedAt = performance.now();
  const show = (): void => {
    if (!shown) return;
    const behind = Date.now() / 1000 - shown.updated_at;
    const patience = Math.max(SILENT_S, shown.elapsed_s * SILENT_SHARE);
    const silent = behind > patience;
    // A page that is opened late, or whose step is gone, counts no further than it knows.
    const since = silent ? 0 : Math.min((performance.now() - receivedAt) / 1000, patience);
    setText("elapsed", elapsed(Math.floor(shown.elapsed_s + since)));
    setText("as-of", `as of ${shown.updated} UTC${silent ? `; nothing was heard for ${elapsed(Math.round(behind))}` : ""}`);
    document.getElementById("live")?.toggleAttribute("data-silent", silent);
  };
  show();
  if (first) window.setInterval(show, TICK_MS);
  return (live) => {
    const panel = document.getElementById("live");
    if (panel) panel.hidden = live === null;
    const advice = document.querySelector<HTMLElement>(".hero");
    if (advice) advice.hidden = live !== null;
    shown = live;
    receivedAt = performance.now();
    if (!live) return;
    live.tiles.forEach(updateTile);
    updateProjections(live.projections);
    show();
  };
}

function setText(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element && element.textContent !== text) element.textContent = text;
}

function updateTile([key, , now, note, at, peakAt]: TileData): void {
  const tile = document.querySelector<HTMLElement>(`[data-tile="${CSS.escape(key)}"]`);
  if (!tile) return;
  const put = (selector: string, text: string): void => {
    const element = tile.querySelector(selector);
    if (element) element.textContent = text;
  };
  put(".now", now);
  put(".note", note);
  const gauge = tile.querySelector<HTMLElement>(".gauge");
  if (gauge) gauge.hidden = at === null;
  for (const [selector, place] of [[".now-bar", at], [".peak-bar", peakAt]] as const) {
    tile.querySelector<HTMLElement>(selector)?.style.setProperty("width", `${place ?? 0}%`);
  }
}

/** Only what changed is replaced: a screen reader would read the others again. */
function updateProjections(projections: [kind: string, text: string][]): void {
  const list = document.getElementById("projections");
  if (!list) return;
  const old = new Map([...list.children].map((item) => [item.textContent, item]));
  list.replaceChildren(
    ...projections.map(([kind, text]) => {
      const item = old.get(text) ?? document.createElement("li");
      item.setAttribute("data-kind", kind);
      item.textContent = text;
      return item;
    }),
  );
}
