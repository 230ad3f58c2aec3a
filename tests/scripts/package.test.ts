/** The tarball that would be published: packed, installed into a project of its own, and run from there. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

/** An installed bin runs whatever `node` comes first in PATH: here the one that runs the tests. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

let project = "";

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "lachesis-package-"));
  await run("npm", ["pack", "--silent", "--pack-destination", project], { cwd: root });
  const [tarball] = (await readdir(project)).filter((name) => name.endsWith(".tgz"));
  await writeFile(
    join(project, "package.json"),
    JSON.stringify({ name: "user", private: true, type: "module" }),
  );
  const flags = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
  await run("npm", ["install", ...flags, `./${tarball}`], { cwd: project });
}, 180_000);

afterAll(async () => {
  await rm(project, { recursive: true, force: true });
});

const bin = (name: string, ...args: string[]) =>
  run(join(project, "node_modules/.bin", name), args, { cwd: project, env });

describe("the installed package", () => {
  test("its bin `environment` lists and describes the environments", async () => {
    expect((await bin("environment", "list")).stdout).toContain("gsm8k-agent");
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    expect((await bin("environment", "--version")).stdout).toBe(`${version}\n`);
    expect((await bin("environment", "process", "gsm8k-agent", "--help")).stdout).toContain(
      "--env.group_size",
    );
  });

  test("its bin `run-api` works", async () => {
    expect((await bin("run-api", "--help")).stdout).toContain("--port");
  });

  test("its bin `run-api` finds what is not code: page, store, thread, version", async () => {
    const args = ["--port", "0", "--run-dir", join(project, "server")];
    const server = spawn(join(project, "node_modules/.bin/run-api"), args, { cwd: project, env });
    try {
      const [line] = (await once(server.stdout, "data")) as [Buffer];
      const url = /http:\/\/\S+/.exec(line.toString())?.[0];
      const page = await (await fetch(`${url}/ui`)).text();
      expect(page).toContain("prefers-color-scheme: dark");
      expect(page).toContain("function drawHistogram");
      expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: "ready" });
      expect(await (await fetch(`${url}/openapi.json`)).json()).toHaveProperty("info.version");
    } finally {
      server.kill();
      await once(server, "exit");
    }
  });

  test("the environments of the README and the guide compile under strict rules and run by themselves", async () => {
    for (const page of ["README.md", "docs/environments.md"]) {
      const text = await readFile(join(project, "node_modules/lachesis", page), "utf8");
      const [, source = ""] = text.match(/```ts\n([^`]*?class Doubling.*?)```/s) ?? [];
      await writeFile(join(project, "doubling.ts"), source);
      const options = [
        "--module",
        "nodenext",
        "--target",
        "esnext",
        "--strict",
        "--noEmit",
        "--types",
        "node",
      ];
      const types = ["--typeRoots", join(root, "node_modules/@types")];
      const compiler = join(root, "node_modules/typescript/bin/tsc");
      await run(process.execPath, [compiler, ...options, ...types, "doubling.ts"], { cwd: project });
      const { stdout } = await run(process.execPath, ["doubling.ts", "serve", "--help"], { cwd: project });
      expect(stdout).toContain("Usage: doubling serve");
    }
  });

  test("tokenizers, their templates and parsers work from `lachesis` and `lachesis/parsers`", async () => {
    const script = `
      import { loadTokenizer } from "lachesis";
      import { getParser } from "lachesis/parsers";
      const { signal } = new AbortController();
      await using loaded = await loadTokenizer("practice", { signal });
      const messages = [{ role: "user", content: "hi" }];
      const prompt = loaded.chatTemplate.render({ messages, addGenerationPrompt: true });
      const text = '<tool_call>{"name": "f", "arguments": {}}</tool_call>';
      const ids = await loaded.tokenizer.encodeLong((prompt + text).repeat(500), { signal });
      const [call] = getParser("hermes").parse(text).toolCalls;
      console.log(ids.length > 1000, call.name);`;
    await writeFile(join(project, "tokens.mjs"), script);
    const { stdout } = await run(process.execPath, ["tokens.mjs"], { cwd: project });
    expect(stdout).toBe("true f\n");
  });

  test("it holds the built code and its data, and no sources or tests", async () => {
    const installed = join(project, "node_modules/lachesis");
    const files = await readdir(installed, { recursive: true });
    const own = files.filter((name) => !name.startsWith("node_modules"));
    expect(own).toContain("dist/environments/data/gsm8k-style-train.jsonl");
    expect(own.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))).toEqual([]);
    expect(own.filter((name) => name.startsWith("tests"))).toEqual([]);
  });

  test("both bins refuse an old Node in one clear sentence, before they load anything new", async () => {
    for (const path of ["dist/src/cli/environment.js", "dist/src/cli/run-api.js"]) {
      const file = join(project, "node_modules/lachesis", path);
      expect(await readFile(file, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
      // What an old Node would see: the same file, with the version it reports.
      const asNode20 = `Object.defineProperty(process.versions, "node", { value: "20.19.0" });`;
      const preload = join(project, "as-node-20.cjs");
      await writeFile(preload, asNode20);
      const old = run(process.execPath, ["--require", preload, file, "list"], { cwd: project });
      await expect(old).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("needs Node 24") });
    }
  });
});
