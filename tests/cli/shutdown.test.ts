import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Shutdown } from "../../src/cli/shutdown.ts";

describe("Shutdown", () => {
  let now = 0;
  let exits: number[] = [];
  let stages: string[] = [];
  const open = () =>
    new Shutdown({
      onStage: (stage) => stages.push(stage),
      exit: (code) => exits.push(code),
      clock: () => now,
    });

  beforeEach(() => {
    vi.useFakeTimers();
    now = 0;
    exits = [];
    stages = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("Ctrl-C once stops, twice aborts, thrice leaves", () => {
    using shutdown = open();
    process.emit("SIGINT", "SIGINT");
    expect([shutdown.stopping.aborted, shutdown.aborted.aborted]).toEqual([true, false]);
    now += 1000;
    process.emit("SIGINT", "SIGINT");
    expect([shutdown.stopping.aborted, shutdown.aborted.aborted]).toEqual([true, true]);
    expect(exits).toEqual([]);
    process.emit("SIGINT", "SIGINT");
    expect(exits).toEqual([130]);
    expect(stages).toEqual(["stopping", "aborting"]);
    expect(shutdown.exitCode).toBe(130);
  });

  test("the second copy of one keypress, which npm passes on, counts as one", () => {
    using shutdown = open();
    process.emit("SIGINT", "SIGINT");
    now += 20;
    process.emit("SIGINT", "SIGINT");
    expect(shutdown.aborted.aborted).toBe(false);
  });

  test("SIGTERM gets a deadline, and an abort that hangs leaves the process", () => {
    using shutdown = open();
    process.emit("SIGTERM", "SIGTERM");
    expect(shutdown.aborted.aborted).toBe(false);
    vi.advanceTimersByTime(8_000);
    expect(shutdown.aborted.aborted).toBe(true);
    vi.advanceTimersByTime(4_000);
    expect(exits).toEqual([143]);
  });

  test("disposing takes the handlers and timers away", () => {
    const before = process.listenerCount("SIGINT");
    const shutdown = open();
    process.emit("SIGTERM", "SIGTERM");
    shutdown[Symbol.dispose]();
    expect(process.listenerCount("SIGINT")).toBe(before);
    expect(vi.getTimerCount()).toBe(0);
  });
});
