// Makes static/vendor anew from the packages in package.json: `npm ci && node vendor.mjs`.
// Run by hand when a version changes; nothing in the project's build or start calls it.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const out = "../src/hiveweb/static/vendor";
/** Files, and the packages that are bundled into each by the entry of the same name. */
const bundles = {
  "preact.js": ["preact", "@preact/signals", "@preact/signals-core", "htm"],
  "markdown.js": ["marked"],
  "diff.js": ["diff"],
  "ansi.js": ["anser"],
};
const read = (path) => readFileSync(path, "utf8");
const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

rmSync(out, { recursive: true, force: true });
mkdirSync(`${out}/licences`, { recursive: true });

for (const file of Object.keys(bundles)) {
  await build({
    entryPoints: [`entries/${file}`],
    outfile: `${out}/${file}`,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    define: { "process.env.NODE_ENV": '"production"' },
  });
}

const symbols = read("icons.txt").trim().split("\n").map((name) => {
  const body = read(`node_modules/lucide-static/icons/${name}.svg`)
    .replace(/<!--.*?-->/gs, "").replace(/<svg[^>]*>/s, "").replace("</svg>", "").replace(/\s+/g, " ").trim();
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${body}</symbol>`;
});
writeFileSync(`${out}/icons.svg`, `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`);

const packages = Object.entries({ ...bundles, "icons.svg": ["lucide-static"] }).flatMap(([file, names]) => names.map((name) => {
  const about = JSON.parse(read(`node_modules/${name}/package.json`));
  const licenceFile = `licences/${name.replace("@", "").replace("/", "-")}.txt`;
  copyFileSync(`node_modules/${name}/LICENSE`, `${out}/${licenceFile}`);
  return { name, version: about.version, licence: about.license, licence_file: licenceFile, file };
}));
const files = [...Object.keys(bundles), "icons.svg", ...packages.map((one) => one.licence_file)];
const manifest = {
  packages,
  bundler: `esbuild ${JSON.parse(read("node_modules/esbuild/package.json")).version}`,
  sha256: Object.fromEntries(files.map((file) => [file, sha256(`${out}/${file}`)])),
};
writeFileSync(`${out}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
