import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { eventually, listDescendants } from "../support/host-processes.ts";
import { runCli } from "./run-cli.ts";

vi.setConfig({ testTimeout: 90_000 });

test("the demo makes data with the mean it was built for, says where it is, and leaves nothing running", async () => {
  const cwd = await mkdtemp(join(tmpdir(), "lachesis-demo-"));
  try {
    const { code, stdout, stderr } = await runCli(["demo", "--seconds", "5", "--run-dir", "demo"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^serve .* batch(es)? +0\.\d{3}/m);
    expect(stdout).toMatch(/^process .* groups? +0\.\d{3} +groups\.jsonl$/m);
    expect(stdout).toMatch(/^evaluate +\d+ +\d+ test problems +[01]\.\d{3} +metrics\.json, samples\.jsonl$/m);
    expect(stdout).toContain("The data is in demo");
    const groups = (await readFile(join(cwd, "demo/groups.jsonl"), "utf8")).trim().split("\n");
    expect(stdout).toContain(` ${groups.length} group`);
    await eventually(() => listDescendants().length === 0, "no process is left");
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
});
