// The rest of the page: texts and scales of a live update, and the button that copies the advice.
import type { CardData, ScaleData } from "./data";

export function updatePage(data: CardData): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]")) {
    const text = data.texts[element.dataset["text"] ?? ""];
    if (text !== undefined) put(element, text);
  }
  const badge = document.getElementById("badge");
  if (badge) badge.dataset["tone"] = data.tone;
  for (const scale of data.scales) updateScale(scale);
}

/** Only where it differs: a selection stays, and a screen reader has nothing to say. */
export function put(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function updateScale(scale: ScaleData): void {
  const root = document.querySelector<HTMLElement>(`[data-scale="${CSS.escape(scale.key)}"]`);
  if (!root) return;
  root.hidden = !scale.shown;
  root.querySelector(".track")?.setAttribute("aria-label", scale.summary);
  for (const [kind, [at, text, beyond]] of Object.entries(scale.marks)) {
    const mark = root.querySelector<HTMLElement>(`.mark.${CSS.escape(kind)}`);
    if (mark) {
      mark.hidden = at === null;
      mark.style.setProperty("--at", `${at ?? 0}%`);
      mark.classList.toggle("beyond", beyond);
    }
    const figure = root.querySelector<HTMLElement>(`[data-figure="${CSS.escape(kind)}"]`);
    if (figure) {
      figure.textContent = text;
      figure.parentElement?.toggleAttribute("data-none", at === null);
    }
  }
  const ticks = scale.ticks.map(([at, text, shift]) => {
    const tick = document.createElement("span");
    tick.style.setProperty("--at", `${at}%`);
    tick.style.setProperty("--shift", `${shift}%`);
    tick.textContent = text;
    return tick;
  });
  root.querySelector(".ticks")?.replaceChildren(...ticks);
}

/**
 * Gives every line to paste its button. Copies by a selection, which works in a sandboxed frame, too, and stays for the
 * reader to copy by hand.
 */
export function wireCopy(): void {
  for (const paste of document.querySelectorAll<HTMLElement>(".paste")) wirePaste(paste);
}

function wirePaste(paste: HTMLElement): void {
  const button = paste.querySelector("button");
  const code = paste.querySelector("code");
  if (!button || !code) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const byHand = (): void => say(button, "Press Ctrl+C");
    if (selectAndCopy(code)) say(button, "Copied");
    else if (navigator.clipboard) navigator.clipboard.writeText(code.textContent ?? "").then(() => say(button, "Copied"), byHand);
    else byHand();
  });
}

const labels = new WeakMap<HTMLElement, string>();

/** A word on a button for a moment. */
export function say(button: HTMLElement, text: string): void {
  const label = labels.get(button) ?? button.textContent ?? "";
  labels.set(button, label);
  button.textContent = text;
  window.setTimeout(() => (button.textContent = label), 2500);
}

export function selectAndCopy(element: HTMLElement): boolean {
  const selection = window.getSelection();
  const range = document.createRange();
  range.selectNodeContents(element);
  selection?.removeAllRanges();
  selection?.addRange(range);
  return document.execCommand("copy");
}

/** Room on a page of Letter, the lower of the two, in CSS pixels. */
const PAPER_ROOM = 970;
const TYPE_PX = 11;
/** How small type may get: as the page is, and with less on it (the class `tight`). */
const LEAST_TYPE_PX = 9.4;
const LEAST_TIGHT_PX = 8.2;

/** Paper has its own looks, in light colours; `redraw` draws the canvases for it, and for the screen afterwards. */
export function wirePrint(redraw: () => void = () => undefined): void {
  const root = document.documentElement;
  const draw = (looks: string, size: string): void => {
    root.className = looks;
    root.style.fontSize = size;
    redraw();
  };
  // Not everything shrinks with its type: it takes some rounds.
  const fits = (looks: string, least: number): boolean => {
    for (let size = TYPE_PX; size >= least; ) {
      draw(looks, `${size}px`);
      const height = document.body.scrollHeight;
      if (height <= PAPER_ROOM) return true;
      size = Math.min(size - 0.1, (size * PAPER_ROOM) / height);
    }
    return false;
  };
  window.addEventListener("beforeprint", () => {
    // What fits in neither way is printed in full, on two pages.
    if (!fits("paper", LEAST_TYPE_PX) && !fits("paper tight", LEAST_TIGHT_PX)) draw("paper", "");
  });
  window.addEventListener("afterprint", () => draw("", ""));
}
