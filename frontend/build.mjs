// Bundles the scripts and styles of the card and of the cost review into the Python package.
//
// Usage: node build.mjs [FOLDER]. Target: browsers of the last four years; older ones get the page without charts.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const assets = process.argv[2] ?? here("../resource_tracker/report/assets");

/**
 * uPlot's last lines hang all that it can do on one object, from which no bundler can leave out what is never used. These
 * stand in their place; its code is left as it is.
 */
const ALL = /^uPlot\.assign = assign;$[^]*^export \{ uPlot as default \};\s*$/m;
const USED = "uPlot.pxRatio = pxRatio;\nuPlot.paths = { points, linear, stepped };\nexport { uPlot as default };\n";
const UPLOT = "1.6.32";
const uplot = JSON.parse(await readFile(here("node_modules/uplot/package.json"), "utf8"));

/** @type {import("esbuild").Plugin} */
const withoutUnused = {
  name: "without-unused",
  setup(bundle) {
    bundle.onLoad({ filter: /uPlot\.esm\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      if (uplot.version !== UPLOT || !ALL.test(source)) throw new Error(`uPlot ${uplot.version} is not ${UPLOT}: compare its last lines with those in build.mjs`);
      return { contents: source.replace(ALL, USED), loader: "js" };
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

const licence = await readFile(here("node_modules/uplot/LICENSE"), "utf8");
await writeFile(`${assets}/card.js.LICENSES.txt`, `card.js and card.css contain uPlot ${uplot.version}:\n\n${licence.trim()}\n`);
