/**
 * Builds the publishable `dist`: compiles with tsc, copies what is not TypeScript, and makes the bins
 * executable. `dist` is emptied first, so that nothing of an earlier build is published.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, globSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const sources = ["src", "environments", "parsers", "backends", "rewards"];

rmSync(dist, { recursive: true, force: true });

const typescript = createRequire(import.meta.url).resolve("typescript/package.json");
const compiler = join(dirname(typescript), "bin", "tsc");
// What tsc has to say goes to stderr: `npm pack` keeps stdout for the tarball's name.
const compiled = spawnSync(process.execPath, [compiler, "-p", join(root, "tsconfig.build.json")], {
  cwd: root,
  stdio: ["ignore", 2, 2],
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

const isAsset = (path: string) => !/(\.ts|(?<!^instruction)\.md|\.pyc)$/.test(path);
for (const source of sources) {
  const assets = globSync(`${source}/**/*`, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile() && isAsset(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  for (const asset of assets) cpSync(join(root, asset), join(dist, asset));
}

const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
for (const path of Object.values<string>(bin)) {
  const file = join(root, path);
  const [firstLine] = readFileSync(file, "utf8").split("\n", 1);
  if (firstLine !== "#!/usr/bin/env node")
    throw new Error(`${path}: a bin starts with "#!/usr/bin/env node"`);
  chmodSync(file, 0o755);
}

console.log(`dist: ${globSync("**/*.js", { cwd: dist }).length} modules`);
