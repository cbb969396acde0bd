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
  mark: string;
  markFill: string;
  idle: string;
  axis: string;
  grid: string;
  paper: string;
  font: string;
  /** Size of type beside the usual one: charts grow with it. */
  zoom: number;
}

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  const zoom = Number.parseFloat(style.fontSize) / 16 || 1;
  return {
    step: read("--step"),
    stepFill: read("--step-fill"),
    peak: read("--peak"),
    machine: read("--machine"),
    band: read("--step-band"),
    machineBand: read("--machine-band"),
    requested: read("--ink-2"),
    limit: read("--limit"),
    mark: read("--mark"),
    markFill: read("--mark-fill"),
    idle: read("--idle"),
    axis: read("--ink-3"),
    grid: read("--rule"),
    paper: read("--paper"),
    font: `${11 * zoom}px ${getComputedStyle(document.body).fontFamily}`,
    zoom,
  };
}
