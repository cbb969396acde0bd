// Bundles the scripts and styles of the card and of the cost review into the Python package.
//
// Usage: node build.mjs [FOLDER]. Target: browsers of the last four years; older ones get the page without charts.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const assets = process.argv[2] ?? here("../resource_tracker/report/assets");

/** Parts of uPlot that no chart of ours uses: a bundler cannot know, as they are all properties of one object. */
const UNUSED = ["assign", "fmtNum", "rangeNum", "rangeLog", "rangeAsinh", "orient", "join", "fmtDate", "tzDate", "sync", "addGap", "clipGaps"].map((name) => `uPlot.${name}`);

/** @type {import("esbuild").Plugin} */
const withoutUnused = {
  name: "without-unused",
  setup(bundle) {
    bundle.onLoad({ filter: /uPlot\.esm\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const unused = new RegExp(`^\\s*\\(?(?:${[...UNUSED, "paths.bars", "paths.spline"].join("|")}) *= \\w+\\)?;$`, "gm");
      const found = source.match(unused)?.length;
      if (found !== UNUSED.length + 2) throw new Error(`another uPlot than expected: ${found} of its unused parts were found`);
      return { contents: source.replace(unused, ""), loader: "js" };
    });
  },
};

await build({
  plugins: [withoutUnused],
  entryPoints: { card: here("src/card.ts"), review: here("src/review.ts") },
  outdir: assets,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2020", "chrome91", "firefox90", "safari15"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
await build({
  entryPoints: { card: here("src/styles/card.css"), review: here("src/styles/review.css") },
  outdir: assets,
  bundle: true,
  minify: true,
  target: ["chrome91", "firefox90", "safari15"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
for (const name of ["card", "review"]) {
  const file = `${assets}/${name}.css`;
  // esbuild keeps what a custom property begins with, also a space.
  await writeFile(file, (await readFile(file, "utf8")).replace(/(--[\w-]+:) /g, "$1"));
}

const uplot = JSON.parse(await readFile(here("node_modules/uplot/package.json"), "utf8"));
const licence = await readFile(here("node_modules/uplot/LICENSE"), "utf8");
await writeFile(`${assets}/card.js.LICENSES.txt`, `card.js and card.css contain uPlot ${uplot.version}:\n\n${licence.trim()}\n`);
