// Starts the card: draws what stands in the page, then answers to the reader and to live updates.
import { Board } from "./board";
import { readPage, type CardData, type Who } from "./data";
import { updatePage, wireCopy } from "./page";

declare global {
  interface Window {
    /** Metaflow calls it with the data of a live card; true: drawn in place, false: not data of this version. */
    metaflow_card_update?: (data: CardData | null | undefined) => boolean;
  }
}

function start(): void {
  wireCopy();
  const grid = document.getElementById("charts");
  const data = readPage();
  if (!data) return;
  let board = grid && data.charts.length ? new Board(grid, data) : null;
  window.metaflow_card_update = (fresh) => {
    if (fresh?.v !== data.v) return false;
    updatePage(fresh);
    if (board) board.update(fresh);
    else if (grid && fresh.charts.length) {
      board = new Board(grid, fresh);
      document.getElementById("charts-section")?.removeAttribute("hidden");
      board.resize();
    }
    return true;
  };
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-who]")) {
    button.addEventListener("click", () => {
      const shown = board?.toggle(button.dataset["who"] as Who) ?? true;
      button.setAttribute("aria-pressed", String(shown));
    });
  }
  if (grid) new ResizeObserver(() => board?.resize()).observe(grid);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => board?.build());
  // Paper is white: canvases are pictures, so they are drawn again in the light colours.
  window.addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    board?.build();
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    board?.build();
  });
}

start();
