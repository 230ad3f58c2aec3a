import { expect, test } from "vitest";
import { TimeSplit } from "../../src/agent/time-split.ts";

test("the parts add up, and what runs inside a tool call counts for itself", async () => {
  let now = 0;
  const pass = async (ms: number) => {
    now += ms;
  };
  const times = new TimeSplit({ clock: () => now });
  await pass(1);
  await times.during("model", () => pass(10));
  await times.during("tool", async () => {
    await times.during("sandbox", () => pass(200));
    await pass(30);
    await times.during("model", () => pass(5));
  });
  await expect(
    times.during("reward", () => pass(4).then(() => Promise.reject(new Error("no")))),
  ).rejects.toThrow("no");
  await pass(2);
  expect(times.times()).toEqual({ sandboxMs: 200, modelMs: 15, toolMs: 30, rewardMs: 4, otherMs: 3 });
});

test("two model calls at once take the time of one", async () => {
  let now = 0;
  const times = new TimeSplit({ clock: () => now });
  const { promise, resolve } = Promise.withResolvers<void>();
  const calls = [times.during("model", () => promise), times.during("model", () => promise)];
  now = 50;
  resolve();
  await Promise.all(calls);
  now = 60;
  expect(times.times()).toMatchObject({ modelMs: 50, otherMs: 10 });
});
