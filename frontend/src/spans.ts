// What the step marked: its table, whose rows zoom all charts to their stretch.
import type { Board } from "./board";
import type { SpanData } from "./data";

export function wireSpans(board: () => Board | null): void {
  document.getElementById("spans")?.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("button[data-from]");
    if (!button) return;
    const to = button.dataset["to"];
    board()?.zoomTo(Number(button.dataset["from"]), to ? Number(to) : null);
  });
}

/** The rows of a live update; those that say the same stay, with the reader's focus. */
export function updateSpans(spans: SpanData[]): void {
  const holder = document.getElementById("spans");
  const body = holder?.querySelector("tbody");
  if (!holder || !body) return;
  holder.hidden = !spans.length;
  spans.forEach((span, index) => {
    const fresh = row(span);
    const old = body.children[index];
    if (!old) body.append(fresh);
    else if (old.querySelector("button")?.textContent !== span[0]) old.replaceWith(fresh);
    else {
      old.querySelector("button")?.setAttribute("data-to", String(span[2] ?? ""));
      span[4].forEach((text, column) => {
        const cell = old.children[column + 1];
        if (cell) cell.textContent = text;
      });
    }
  });
  while (body.children.length > spans.length) body.lastElementChild?.remove();
}

function row([label, from, to, depth, cells]: SpanData): HTMLTableRowElement {
  const made = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.style.setProperty("--depth", String(depth));
  const button = document.createElement("button");
  button.type = "button";
  button.dataset["from"] = String(from);
  button.dataset["to"] = String(to ?? "");
  button.textContent = label;
  head.append(button);
  made.append(
    head,
    ...cells.map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    }),
  );
  return made;
}
