import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { eventually, listDescendants } from "../support/host-processes.ts";
import { RunningCli, runCli } from "./run-cli.ts";

vi.setConfig({ testTimeout: 600_000 });

async function inFolder(act: (cwd: string) => Promise<void>): Promise<void> {
  const cwd = await mkdtemp(join(tmpdir(), "lachesis-demo-"));
  try {
    await act(cwd);
    await eventually(() => listDescendants().length === 0, "no process is left");
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

test("the demo's policy learns: more held-out problems are right afterwards, by the margin that it states", () =>
  inFolder(async (cwd) => {
    const { code, stdout, stderr } = await runCli(
      ["demo", "--quick", "--seconds", "500", "--run-dir", "demo"],
      { cwd },
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^before +\d+ % right of 128 /m);
    expect(stdout).toMatch(/^after +\d+ % right of 128 /m);
    expect(stdout).toMatch(/^\+\d+ points on problems it was never trained on \(asked for: 10 points\)/m);

    const results = JSON.parse(await readFile(join(cwd, "demo/results.json"), "utf8"));
    expect(results.trained).toHaveLength(30);
    for (const step of results.trained) {
      expect(step.drift ?? 0).toBeLessThan(1e-4);
      expect(step).toMatchObject({ invalidGroups: 0, tooLongSequences: 0, staleSequences: 0 });
    }
    expect(results.trained.some((step: { drift: number | null }) => step.drift !== null)).toBe(true);
    const report = await readFile(join(cwd, "demo/report.html"), "utf8");
    expect(report).toContain("right after");
    expect(report).not.toMatch(/https?:\/\/|<script|<link/);
    for (const file of [
      "evaluation-before/metrics.json",
      "evaluation-after/samples.jsonl",
      "teacher-groups.jsonl",
    ]) {
      expect(await readFile(join(cwd, "demo", file), "utf8")).not.toBe("");
    }
  }));

test("Ctrl-C ends the demo, with what it has so far and nothing left running", () =>
  inFolder(async (cwd) => {
    await using cli = new RunningCli(["demo", "--run-dir", "demo"], { cwd });
    await cli.says(/(process|evaluate|train):/);
    cli.signal("SIGINT");
    const { code, stdout } = await cli.end();
    expect(code).toBe(130);
    expect(stdout).toContain("The data is in demo");
  }));
