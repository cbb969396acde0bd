// Colours and fonts of the canvases, read from the style sheet, so that they stand in one place only.

export interface Theme {
  step: string;
  stepFill: string;
  peak: string;
  machine: string;
  band: string;
  machineBand: string;
  requested: string;
  limit: string;
  axis: string;
  grid: string;
  paper: string;
  font: string;
}

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    step: read("--step"),
    stepFill: read("--step-fill"),
    peak: read("--peak"),
    machine: read("--machine"),
    band: read("--step-band"),
    machineBand: read("--machine-band"),
    requested: read("--ink-2"),
    limit: read("--limit"),
    axis: read("--ink-3"),
    grid: read("--rule"),
    paper: read("--paper"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
  };
}
