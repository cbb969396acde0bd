// The panel of a running step: figures of each update, between two of them the time that passes, and that none comes any more.
import type { LiveData, TileData } from "./data";
import { elapsed, running } from "./format";
import { News } from "./news";
import { put } from "./page";

const TICK_MS = 1000;
/** So far the time that we count may run ahead of updates, which come late, before theirs is taken. */
const AHEAD_S = 15;
const AHEAD_UPDATES = 2;

/** Shows what is in the page already; returns what takes the live part of each update. */
export function startLive(first: LiveData | null): (live: LiveData | null) => void {
  const panel = document.getElementById("live");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const news = new News();
  const now = (): number => Date.now() / 1000;
  const steady = (): number => performance.now() / 1000;
  let shown: LiveData | null = null;
  /** When the step began, by our steady clock: the earliest that fits, as all news come late. */
  let begun = Infinity;

  const show = (): void => {
    if (!shown) return;
    const { behind, silent, stale } = news.look(now(), steady());
    const passed = silent || stale || still.matches ? shown.elapsed_s : Math.max(steady() - begun, shown.elapsed_s);
    const time = running(passed);
    setText("elapsed", silent ? elapsed(behind - (behind % 60)) : time);
    for (const place of document.querySelectorAll<HTMLElement>('[data-text="duration"]')) put(place, time);
    setText("live-state", silent ? "No news for" : "Running for");
    setText("as-of", `${silent ? "since" : "as of"} ${shown.updated} UTC`);
    panel?.toggleAttribute("data-silent", silent);
    document.getElementById("live-follows")?.toggleAttribute("hidden", silent);
    document.getElementById("silence")?.toggleAttribute("hidden", !silent);
    const badge = document.getElementById("badge");
    if (badge) badge.dataset["tone"] = silent ? "neutral" : "live";
    const word = badge?.firstElementChild;
    if (word) put(word, silent ? "No news" : "Running");
  };
  const take = (live: LiveData | null): void => {
    shown = live;
    if (!live) return;
    news.take(live.updated_at, live.refresh_s, now(), steady());
    const itsOwn = steady() - live.elapsed_s;
    const ahead = itsOwn - begun;
    begun = ahead > AHEAD_S + AHEAD_UPDATES * live.refresh_s ? itsOwn : Math.min(begun, itsOwn);
    show();
  };
  take(first);
  if (first) window.setInterval(show, TICK_MS);
  return (live) => {
    if (panel) panel.hidden = live === null;
    const advice = document.querySelector<HTMLElement>(".hero");
    if (advice) advice.hidden = live !== null;
    if (live) {
      live.tiles.forEach(updateTile);
      updateProjections(live.projections);
    }
    take(live);
  };
}

function setText(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element) put(element, text);
}

function updateTile([key, , now, note, at, peakAt]: TileData): void {
  const tile = document.querySelector<HTMLElement>(`[data-tile="${CSS.escape(key)}"]`);
  if (!tile) return;
  for (const [selector, text] of [[".now", now], [".note", note]] as const) {
    const element = tile.querySelector(selector);
    if (element) put(element, text);
  }
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
