import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { makeColors } from "../../src/cli/colors.ts";
import {
  blockLines,
  formatDuration,
  formatRate,
  plainLine,
  progressBar,
} from "../../src/cli/progress-lines.ts";
import { openProgressView } from "../../src/cli/progress-view.ts";
import { summaryText } from "../../src/cli/run-summary.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { RunProgress } from "../../src/telemetry/run-progress.ts";

const heading = { verb: "process", envName: "my-env", detail: "model m at http://h/v1", total: 4 };
const colors = makeColors(false);

function playedProgress() {
  let now = 0;
  const events = new EventBus();
  const progress = new RunProgress({ events, clock: () => now });
  now = 10_000;
  const end = { rolloutId: "r", groupId: "g", split: "train", turns: 3, durationMs: 5 } as const;
  for (const reward of [1, 0, 1, 1]) {
    events.emit("rollout-start", { rolloutId: "r", groupId: "g", split: "train" });
    events.emit("rollout-end", { ...end, outcome: { kind: "scored", reward, stop: "finished" } });
  }
  events.emit("rollout-start", { rolloutId: "r", groupId: "g", split: "train" });
  const error = new LachesisError("INFERENCE_FAILED", "no");
  events.emit("rollout-end", {
    ...end,
    outcome: { kind: "infra-failed", stage: "inference", error, retryable: true },
  });
  events.emit("tool-end", { rolloutId: "r", tool: "python", ok: false, durationMs: 1 });
  events.emit("group-end", { groupId: "g", scores: [1, 0], result: "written" });
  events.emit("group-end", { groupId: "h", scores: [1, 1], result: "skipped", reason: "same-scores" });
  return { events, progress };
}

describe("words", () => {
  test("the block", () => {
    expect(blockLines(heading, playedProgress().progress.snapshot(), colors)).toEqual([
      "my-env process  0:10  model m at http://h/v1",
      "  groups    █████░░░░░░░░░░░░░░░ 1/4 · 6.0/min · ETA 0:30 · 1 not used (same-scores)",
      "  reward    mean 0.750 · last 30 s 0.750",
      "  rollouts  4 scored · 0 running · 30.0/min · 3.0 turns each",
      "  errors    INFERENCE_FAILED x1 · 1 failed tool call",
    ]);
  });

  test("the plain line", () => {
    expect(plainLine(heading, playedProgress().progress.snapshot())).toBe(
      "0:10 | groups 1/4 | 6.0/min | ETA 0:30 | reward 0.750 | rollouts 4 (0 running) | 1 not used (same-scores) | INFERENCE_FAILED x1 · 1 failed tool call",
    );
  });

  test("the summary says what was saved, and what was not and why", () => {
    const text = summaryText({
      heading,
      snapshot: playedProgress().progress.snapshot(),
      sandboxes: {
        "sandbox/created": 7,
        "sandbox/leaked": 0,
        "sandbox/acquire_ms_p50": 0.21,
        "sandbox/acquire_ms_p95": 31.2,
      },
      result: { saved: [{ what: "1 groups", path: "out.jsonl" }], metrics: { "eval/accuracy": 0.5 } },
      runDirectory: "runs/x",
      ending: "stopped",
      colors,
    });
    expect(text.split("\n").map((line) => line.trimEnd())).toEqual([
      "",
      "my-env process stopped after 0:10",
      "  groups     1 written",
      "             1 not: same-scores x1",
      "  reward     mean 0.750 of 4 scored rollouts",
      "  failed     1 rollout, scored nowhere: INFERENCE_FAILED x1",
      "  tools      1 call, 1 failed",
      "  sandboxes  7 made, 0 leaked, ready after 0.2 ms (95 % within 31 ms)",
      "  accuracy   0.5000",
      "  saved      1 groups in out.jsonl",
      "  run        runs/x (config.yaml, run.log)",
      "",
    ]);
  });

  test.each([
    [0, "0:00"],
    [65_000, "1:05"],
    [3_723_000, "1:02:03"],
  ])("formatDuration(%i) is %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  test.each([
    [0, "0.0/s"],
    [12.34, "12.3/s"],
    [0.5, "30.0/min"],
  ])("formatRate(%d) is %s", (rate, text) => {
    expect(formatRate(rate)).toBe(text);
  });

  test.each([
    [0.5, "██░░"],
    [2, "████"],
    [Number.NaN, "░░░░"],
  ])("progressBar(%d)", (share, bar) => {
    expect(progressBar(share, 4)).toBe(bar);
  });
});

describe("views", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function open(isTTY: boolean) {
    const { events, progress } = playedProgress();
    let written = "";
    const output = { isTTY, columns: 60, rows: 20, write: (text: string) => (written += text) };
    const view = openProgressView({ output, heading, progress, events, colors });
    return { view, events, read: () => written };
  }

  test("elsewhere than on a terminal: plain lines every few seconds, notices at once, no control codes", () => {
    const { view, events, read } = open(false);
    events.emit("notice", { level: "warn", message: "look out" });
    vi.advanceTimersByTime(11_000);
    view[Symbol.dispose]();
    expect(read()).not.toContain("\x1b");
    const lines = read().trim().split("\n");
    expect(lines[0]).toBe("my-env process: model m at http://h/v1");
    expect(lines[1]).toBe("warning: look out");
    expect(lines.slice(2)).toHaveLength(2);
  });

  test("on a terminal: at most ten frames a second, the cursor back at the end", () => {
    const { view, read } = open(true);
    const before = read().split("my-env process").length;
    vi.advanceTimersByTime(1_000);
    expect(read().split("my-env process").length - before).toBeLessThanOrEqual(10);
    view[Symbol.dispose]();
    expect(read().endsWith("\x1b[?25h")).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
