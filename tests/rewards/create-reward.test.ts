import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createReward, type RewardSpec, rewardNames } from "../../rewards/create-reward.ts";
import { rewardDefinitions } from "../../rewards/definitions.ts";
import { defineReward, type RewardItem, type RewardResult, requireSandbox } from "../../rewards/reward.ts";
import type { ChatMessage } from "../../src/contracts/chat.ts";

const signal = new AbortController().signal;

type Said = string | ChatMessage;

async function score(
  spec: RewardSpec,
  said: Said,
  item: RewardItem = {},
  { step = 0, tokens }: { step?: number; tokens?: number } = {},
): Promise<RewardResult> {
  const last: ChatMessage = typeof said === "string" ? { role: "assistant", content: said } : said;
  const usage = { prompt_tokens: 1, completion_tokens: tokens ?? 0, total_tokens: 1 };
  return createReward(spec, { services: { trainingStep: () => step } })({
    rollout: {
      messages: [{ role: "user", content: "?" }, last],
      stop: "finished",
      turnsUsed: 1,
      ...(tokens !== undefined && { usage }),
    },
    item,
    toolContext: null,
    signal,
  });
}

const scoreOf = async (...call: Parameters<typeof score>): Promise<number> => (await score(...call)).score;

describe("accuracy", () => {
  test.each([
    [1, "so \\boxed{0.5}", "1/2", {}],
    [0, "so \\boxed{0.6}", "1/2", {}],
    [1, "<think>7</think> The answer is 8", 8, {}],
    [0, "<think>The answer is 8", "8", {}],
    [0, "8 apples", "8", { verifier: "exact" }],
    [1, " 8\n", "8", { verifier: "exact" }],
    [1, "#### 1,234", "1234", { verifier: "number" }],
    [0, `${"\\boxed{8}".repeat(7)}`, "8", {}],
    [0, "", "8", {}],
  ])("is %d for %j against %j with %j", async (expected, said, answer, params) => {
    expect(await scoreOf({ type: "accuracy", params }, said, { answer })).toBe(expected);
  });

  test.each([
    [0, "\\boxed{x^2 - 25}", "(x-5)(x+5)"],
    [0, "I think $x^2-25$.", "(x-5)(x+5)"],
    [1, "\\boxed{(x+5)(x-5)}", "(x-5)(x+5)"],
    [1, "\\boxed{25.0}", "25"],
    [1, "\\boxed{x^2-25}", "x^2 - 25"],
  ])(
    "is %d for %j where the problem is to factor, and the gold answer %j",
    async (expected, said, answer) => {
      const problem = "Factor $x^2 - 25$, or say 25.0.";
      const spec = { type: "accuracy", params: { problem_field: "problem" } };
      expect(await scoreOf(spec, said, { answer, problem })).toBe(expected);
    },
  );

  test("reads the column that it is told", async () => {
    const spec = { type: "accuracy", params: { answer_field: "solution" } };
    expect(await scoreOf(spec, "5", { solution: 5 })).toBe(1);
    await expect(scoreOf(spec, "5", { answer: 5 })).rejects.toMatchObject({
      code: "REWARD_ITEM_INVALID",
      hint: "The item has: answer.",
    });
  });
});

describe("format", () => {
  test.each([
    [1, "<think>a</think><answer>b</answer>", {}],
    [1, "\n<think>a\nb</think>\n\n<answer>c < d</answer>\n", {}],
    [0, "<answer>b</answer><think>a</think>", {}],
    [0, "<think>a</think> and <answer>b</answer>", {}],
    [0, "<think></think><answer>b</answer>", {}],
    [0, "<think>a</think><answer>b</answer><answer>c</answer>", {}],
    [0, "<think>a<think>b</think><answer>c</answer>", {}],
    [0, "plain", {}],
    [1, "text <answer>b</answer> text", { require: "any" }],
    [0, "text </answer>b<answer> text", { require: "any" }],
    [0, "text <answer> </answer> text", { require: "any" }],
    [1, "<plan>a</plan>", { tags: ["plan"] }],
  ])("is %d for %j with %j", async (expected, said, params) => {
    expect(await scoreOf({ type: "format", params }, said)).toBe(expected);
  });

  test("thinking that the server took out of the text counts as its block", async () => {
    const said: ChatMessage = { role: "assistant", content: "<answer>b</answer>", reasoning_content: "a" };
    expect(await scoreOf("format", said)).toBe(1);
  });

  test("stays fast on a megabyte of openings", async () => {
    expect(await scoreOf("format", "<think>a".repeat(130_000))).toBe(0);
  });
});

test.each([
  ["boxed", 1, "\\boxed{3}", {}],
  ["boxed", 0, "\\boxed{ }", {}],
  ["boxed", 0, "<think>\\boxed{3}</think> so three", {}],
  ["exact_match", 1, " yes\n", { answer: "yes" }],
  ["exact_match", 0, "Yes", { answer: "yes" }],
  ["contains", 1, "I say YES, really", { answer: "yes" }],
  ["contains", 0, "I say no", { answer: "yes" }],
  ["contains", 0, "anything", { answer: "" }],
])("%s is %d for %j", async (type, expected, said, item) => {
  expect(await scoreOf(type, said, item)).toBe(expected);
});

describe("lengths", () => {
  const cosine = { type: "cosine_length", params: { max_length: 100 } };
  const item = { answer: "8" };
  const text = (end: string, length: number) => `${"x".repeat(length - end.length - 1)} ${end}`;

  test("right answers lose by length what wrong ones win", async () => {
    const [short, middle, long] = await Promise.all(
      [10, 50, 100].map((n) => scoreOf(cosine, text("8", n), item)),
    );
    expect(short).toBeCloseTo(1 - 0.5 * ((1 - Math.cos(Math.PI * 0.1)) / 2));
    expect(middle).toBeCloseTo(0.75);
    expect(long).toBeCloseTo(0.5);
    const [wrongShort, wrongLong] = await Promise.all(
      [10, 400].map((n) => scoreOf(cosine, text("9", n), item)),
    );
    expect(wrongShort).toBeLessThan(-0.4);
    expect(wrongLong).toBeCloseTo(0);
  });

  test.each([
    [0, 10],
    [0, 20],
    [-0.5, 30],
    [-1, 40],
    [-1, 4000],
  ])("the penalty is %d at length %d", async (expected, length) => {
    const params = { start: 20, limit: 40 };
    expect(await scoreOf({ type: "length_penalty", params }, "x".repeat(length))).toBe(expected);
  });

  test("counts the server's tokens, or words, where it is told", async () => {
    const spec = (unit: string) => ({ type: "length_penalty", params: { start: 0, limit: 10, unit } });
    expect(await scoreOf(spec("tokens"), "long text here", {}, { tokens: 5 })).toBe(-0.5);
    expect(await scoreOf(spec("words"), "one two three")).toBeCloseTo(-0.3);
  });

  test("a limit below the start is refused", () => {
    expect(() => createReward({ type: "length_penalty", params: { start: 5, limit: 5 } })).toThrow(
      /reward\.limit: must be greater than start/,
    );
  });
});

describe("repetition_penalty", () => {
  const prose =
    "We look for the number of apples. Anna has five of them at home. Her brother brings along another three. Together that makes eight apples.";
  test.each([
    ["prose", prose, 0, 0],
    ["a few words", "yes yes yes", 0, 0],
    ["a sentence twice", `${prose} ${prose}`, -1, -0.6],
    ["a word without an end", "spam ".repeat(500), -1, -0.6],
    [
      "the same openings",
      "I think that a is b now. I think that c is d then. I think that e is f so.",
      -0.59,
      -0.1,
    ],
  ])("of %s", async (_what, said, least, most) => {
    const penalty = await scoreOf("repetition_penalty", said);
    expect(penalty).toBeGreaterThanOrEqual(least);
    expect(penalty).toBeLessThanOrEqual(most);
  });
});

test("reasoning_steps goes from nothing to all signs, never beyond 1", async () => {
  const steps =
    "1. First we add because it helps.\n2. Then we halve, therefore less.\n3. Finally done, thus:\n- a\n- b\n- c";
  expect(await scoreOf("reasoning_steps", "eight")).toBe(0);
  expect(await scoreOf("reasoning_steps", "Then, because of that, eight.")).toBeCloseTo(0.5 / 3 + 0.4 / 3);
  expect(await scoreOf("reasoning_steps", steps)).toBe(1);
});

test.each([
  [1.5, "<think>a</think> So \\boxed{8}."],
  [1, "So \\boxed{8}."],
  [1, "<think>a</think><b>\\boxed{8}</b>"],
  [0, "<think>a</think> So \\boxed{9}."],
])("cascading_maths is %d for %j", async (expected, said) => {
  expect(await scoreOf("cascading_maths", said, { answer: "8" })).toBe(expected);
});

describe("compositions", () => {
  const right = "<think>a</think><answer>8</answer>";
  const item = { answer: "8" };
  const parts = [
    { type: "accuracy", weight: 2 },
    { type: "format", weight: 0.5 },
    { type: "boxed", weight: 1 },
  ];

  test.each([
    ["sum", 2.5],
    ["mean", 2.5 / 3.5],
    ["product", 0],
    ["min", 0],
    ["max", 2],
  ])("%s of weighted parts", async (how, expected) => {
    const result = await score({ type: "combined", params: { how, rewards: parts } }, right, item);
    expect(result.score).toBeCloseTo(expected);
    expect(result.parts).toEqual({
      accuracy: { raw: 1, weighted: 2 },
      format: { raw: 1, weighted: 0.5 },
      boxed: { raw: 0, weighted: 0 },
    });
  });

  test("a list is the sum of its parts", async () => {
    expect(await scoreOf(["accuracy", { type: "format", weight: 0.5 }], right, item)).toBe(1.5);
  });

  test("parts of one name keep apart, and a name of its own is kept", async () => {
    const spec = ["accuracy", "accuracy", { type: "accuracy", name: "again", weight: 3 }];
    const { parts: named } = await score(spec, right, item);
    expect(Object.keys(named)).toEqual(["accuracy", "accuracy_2", "again"]);
  });

  test("they nest", async () => {
    const inner = { type: "combined", weight: 10, params: { how: "max", rewards: ["accuracy", "boxed"] } };
    expect(await scoreOf([inner, "format"], right, item)).toBe(11);
  });

  test("the weight of the whole is one of its parts, too", async () => {
    const rewards = [{ type: "accuracy", weight: 2 }];
    const stages = [{ from_step: 0, reward: { type: "combined", weight: 3, params: { rewards } } }];
    const result = await score({ type: "curriculum", weight: 0.5, params: { stages } }, right, item);
    expect(result).toMatchObject({ score: 3, parts: { accuracy: { raw: 1, weighted: 3 } } });
  });

  test("a curriculum follows the trainer's step", async () => {
    const spec = {
      type: "curriculum",
      params: {
        stages: [
          { from_step: 0, reward: "format" },
          { from_step: 10, reward: { type: "accuracy", weight: 7 } },
        ],
      },
    };
    const at = (step: number) => scoreOf(spec, right, item, { step });
    expect(await Promise.all([0, 9, 10, 999].map(at))).toEqual([1, 1, 7, 7]);
  });

  test.each([
    [[{ from_step: 5, reward: "format" }]],
    [
      [
        { from_step: 0, reward: "format" },
        { from_step: 0, reward: "boxed" },
      ],
    ],
  ])("a curriculum with stages %j is refused", (stages) => {
    expect(() => createReward({ type: "curriculum", params: { stages } })).toThrow(
      /first stage begins at step 0/,
    );
  });
});

describe("configurations that are wrong name the place", () => {
  test.each([
    ["acuracy", "REWARD_UNKNOWN", /reward: no reward is named "acuracy"/],
    [[{ type: "accuracy", params: { verifer: "exact" } }], "REWARD_INVALID", /reward\.rewards\.0.*verifer/],
    [[], "REWARD_INVALID", /expected a reward's name/],
    [{ type: "combined", params: { rewards: ["accuracy", "nope"] } }, "REWARD_UNKNOWN", /reward\.rewards\.1/],
    [{ type: "combined" }, "REWARD_INVALID", /reward\.rewards: /],
  ] as [RewardSpec, string, RegExp][])("%j", (spec, code, message) => {
    expect(() => createReward(spec)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  test("a near miss is suggested", () => {
    expect(() => createReward("cosine-lenght")).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('Did you mean "cosine_length"?') }),
    );
  });
});

test("what a reward throws is no score, and neither is what isn't a number", async () => {
  const broken = defineReward({
    name: "broken",
    description: "",
    parameters: z.strictObject({ gives: z.string().optional() }),
    create:
      ({ gives }) =>
      () => {
        if (gives === undefined) throw new Error("no such luck");
        return Number(gives);
      },
  });
  const reward = (gives?: string) =>
    createReward(
      { type: "broken", params: gives === undefined ? {} : { gives } },
      { definitions: [broken] },
    )({
      rollout: { messages: [], stop: "finished", turnsUsed: 0 },
      item: {},
      toolContext: null,
      signal,
    });
  await expect(reward()).rejects.toThrow("no such luck");
  await expect(reward("x")).rejects.toMatchObject({ code: "REWARD_NOT_FINITE" });
  expect((await reward("3")).score).toBe(3);
});

test("a reward that needs a sandbox says so where there is none", () => {
  const call = {
    rollout: { messages: [], stop: "finished" as const, turnsUsed: 0 },
    item: {},
    toolContext: null,
    signal,
  };
  expect(() => requireSandbox(call, "tests")).toThrow(
    expect.objectContaining({ code: "REWARD_NEEDS_SANDBOX" }),
  );
});

test("the registry's names are sorted, unique and described", () => {
  expect(rewardNames).toEqual([...new Set(rewardNames)].toSorted());
  for (const { description } of rewardDefinitions) expect(description).toMatch(/\.$/);
});

test("docs/rewards.md lists exactly these rewards", async () => {
  const page = await readFile(new URL("../../docs/rewards.md", import.meta.url), "utf8");
  const table = page.slice(0, page.indexOf("## Maths"));
  const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  expect(listed).toEqual(rewardNames);
});
