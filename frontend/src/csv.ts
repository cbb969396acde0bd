// What is drawn, as a table for a spreadsheet: the moments in view, the lines that are shown.
import type { Board } from "./board";
import type { CardData } from "./data";
import { say, selectAndCopy } from "./page";

/** What is drawn beside the charts: its value between two times. */
export interface Column {
  name: string;
  at: (from: number, to: number) => number | null;
}

export function wireCsv(board: () => Board | null, data: CardData, others: () => Column[]): void {
  const download = document.getElementById("csv-download") as HTMLButtonElement | null;
  const copy = document.getElementById("csv-copy") as HTMLButtonElement | null;
  if (!download || !copy) return;
  copy.hidden = false;
  // A frame without an origin may not download, and could not tell that it may not.
  download.hidden = window.parent !== window && self.origin === "null";
  download.addEventListener("click", () => save(board()?.csv(others()) ?? "", `${fileName(data)}.csv`));
  copy.addEventListener("click", () => copyText(board()?.csv(others()) ?? "", copy));
}

function fileName(data: CardData): string {
  const title = document.querySelector("h1")?.textContent ?? "step";
  const start = new Date(data.start * 1000).toISOString().slice(0, 19).replace(/[:T]/g, "-");
  return `${title.replace(/[^\w.-]+/g, "_").slice(0, 60)}-${start}`;
}

function save(text: string, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** By a selection, as for the advice: a sandboxed frame has no other way. */
function copyText(text: string, button: HTMLButtonElement): void {
  const holder = document.createElement("pre");
  holder.className = "sr";
  holder.style.whiteSpace = "pre"; // a selection is what is laid out
  holder.textContent = text;
  document.body.append(holder);
  const copied = selectAndCopy(holder);
  holder.remove();
  if (copied) say(button, "Copied");
  else if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => say(button, "Copied"), () => say(button, "Not allowed"));
  else say(button, "Not allowed");
}

/** Quoted where a spreadsheet would split it; a formula stays text. */
export function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
