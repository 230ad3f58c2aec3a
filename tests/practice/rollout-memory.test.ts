import { describe, expect, test } from "vitest";
import type { AssistantMessage, ChatMessage } from "../../src/contracts/chat.ts";
import { FateDraw } from "../../src/practice/rollout-fate.ts";
import { RolloutMemory } from "../../src/practice/rollout-memory.ts";

const asked: ChatMessage[] = [{ role: "user", content: "7*7?" }];
const first = { task: 0, messages: asked, sessionId: null, count: 1, seed: null, greedy: false };
const hm: AssistantMessage = { role: "assistant", content: "Hm.", reasoning: "So" };
/** As a template rewrites it: without the thinking, and with other white space. */
const later = { ...first, messages: [...asked, { role: "assistant" as const, content: " Hm.\n" }] };

const createMemory = (capacity?: number) =>
  new RolloutMemory({
    draw: new FateDraw({ seed: 0, errorRate: 0.5 }),
    ...(capacity !== undefined && { capacity }),
  });

describe("rollouts without a session", () => {
  test("that were played alike go on one for one", () => {
    const memory = createMemory();
    const fates = memory.fatesOf({ ...first, count: 4 });
    expect(fates.filter(({ errs }) => errs)).toHaveLength(2);
    for (const fate of fates) memory.remember(first, hm, fate);
    expect(fates.map(() => memory.fatesOf(later)[0])).toEqual(fates);
    // A request that is sent again belongs to the last of them, and a new rollout comes before that.
    expect(memory.fatesOf(later)).toEqual(fates.slice(-1));
    const [fresh] = memory.fatesOf(first);
    memory.remember(first, hm, fresh!);
    expect(memory.fatesOf(later)).toEqual([fresh]);
  });

  test("that said something else, or of another task, are not taken for one another", () => {
    const memory = createMemory();
    const [fate] = memory.fatesOf(first);
    memory.remember(first, { role: "assistant", content: "Ah." }, fate!);
    expect(memory.fatesOf(later)).not.toEqual([fate]);
    memory.remember(first, hm, fate!);
    expect(memory.fatesOf({ ...later, task: 1 })).not.toEqual([fate]);
    expect(memory.fatesOf(later)).toEqual([fate]);
  });

  test.each([
    ["that stay the same over the turns", 0],
    ["that count the turns", 1],
  ])("go on by the seeds of their requests, in whatever order, and again: seeds %s", (_what, step) => {
    const memory = createMemory();
    const seeds = [1100, 1200, 1300, 1400];
    const fates = seeds.map((seed) => {
      const [fate] = memory.fatesOf({ ...first, seed });
      memory.remember({ ...first, seed }, hm, fate!);
      return fate!;
    });
    expect(new Set(fates.map(({ seed }) => seed)).size).toBe(4);
    for (const place of [2, 0, 3, 1, 2]) {
      expect(memory.fatesOf({ ...later, seed: seeds[place]! + step })).toEqual([fates[place]]);
    }
  });

  test("are forgotten when there are too many, and drawn anew", () => {
    const memory = createMemory(2);
    const fates = [0, 1, 2].map((task) => {
      const place = { ...first, task };
      const [fate] = memory.fatesOf(place);
      memory.remember(place, hm, fate!);
      return fate;
    });
    expect(memory.fatesOf({ ...later, task: 2 })).toEqual([fates[2]]);
    expect(memory.fatesOf({ ...later, task: 0 })).not.toEqual([fates[0]]);
  });
});

describe("rollouts of a session", () => {
  const mine = { sessionId: "a" };

  test("keep their fate over turns, whatever the history was rewritten to", () => {
    const memory = createMemory();
    const [fate] = memory.fatesOf({ ...first, ...mine });
    memory.fatesOf({ ...first, sessionId: "b" });
    const rewritten: ChatMessage[] = [...asked, { role: "assistant", content: "(summary)" }];
    expect(memory.fatesOf({ ...later, ...mine, messages: rewritten })).toEqual([fate]);
    expect(memory.fatesOf({ ...first, ...mine })).toEqual([fate]);
  });

  test("that ask for more answers get more rollouts", () => {
    const memory = createMemory();
    const [fate] = memory.fatesOf({ ...first, ...mine });
    const four = memory.fatesOf({ ...first, ...mine, count: 4 });
    expect(four[0]).toEqual(fate);
    expect(new Set(four.map(({ seed }) => seed)).size).toBe(4);
  });
});
