/** Which samples stay, by which filter, and what is said of the others. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FilterRules, GroupFilter, noRules } from "../../src/data/group-filter.ts";
import { parseGroup } from "../../src/data/group-lines.ts";
import { preferencePairs } from "../../src/data/preference-pairs.ts";

type Message = { role: string; content: string; tool_calls?: unknown; tool_call_id?: string };

const answers = (...texts: string[]): Message[][] =>
  texts.map((content) => [
    { role: "user", content: "?" },
    { role: "assistant", content },
  ]);

function group(conversations: Message[][], scores: number[]) {
  const tokens = scores.map((_, index) => [index]);
  return parseGroup(JSON.stringify({ tokens, masks: tokens, scores, messages: conversations }), "here");
}

function kept(rules: Partial<FilterRules>, conversations: Message[][], scores: number[]) {
  const filter = new GroupFilter({ ...noRules, ...rules });
  const sampled = filter.apply(group(conversations, scores), "here");
  return {
    kept: sampled?.samples.map(({ index }) => index) ?? null,
    leftOut: Object.fromEntries(filter.leftOut),
  };
}

test.each<[string, Partial<FilterRules>, Message[][], number[], number[] | null, Record<string, number>]>([
  ["nothing", {}, answers("a", "a"), [1, 0], [0, 1], {}],
  ["a score", { minScore: 0.5 }, answers("a", "b", "c"), [0.5, 0.4, 1], [0, 2], { "low-score": 1 }],
  ["a score that none has", { minScore: 2 }, answers("a", "b"), [0, 1], null, { "low-score": 2 }],
  [
    "the best two, in their order",
    { best: 2 },
    answers("a", "b", "c"),
    [0.2, 0.1, 0.9],
    [0, 2],
    { "not-among-best": 1 },
  ],
  [
    "different answers",
    { distinct: "answer" },
    answers("so \\boxed{4}", "\\boxed{4}.", "\\boxed{5}"),
    [0, 1, 0],
    [1, 2],
    { double: 1 },
  ],
  [
    "answers by tag",
    { distinct: "answer" },
    answers("<think>x</think><answer>4</answer>", "<answer> 4 </answer>"),
    [1, 1],
    [0],
    { double: 1 },
  ],
  [
    "different conversations",
    { distinct: "conversation" },
    answers("so 4", "4", "4"),
    [1, 1, 1],
    [0, 1],
    { double: 1 },
  ],
  [
    "what is well formed",
    { wellFormed: true },
    answers("4", "", "<think> and"),
    [1, 1, 1],
    [0],
    { malformed: 2 },
  ],
  [
    "filters one after the other",
    { minScore: 1, best: 1 },
    answers("a", "b", "c"),
    [1, 0, 1],
    [0],
    { "low-score": 1, "not-among-best": 1 },
  ],
])("keeps %s", (_name, rules, conversations, scores, expected, leftOut) => {
  expect(kept(rules, conversations, scores)).toEqual({ kept: expected, leftOut });
});

test.each<[string, Message[], boolean]>([
  [
    "an answered call",
    [call('{"a":1}'), { role: "tool", content: "1", tool_call_id: "c" }, answer("1")],
    true,
  ],
  [
    "a call that failed",
    [call('{"a":1}'), { role: "tool", content: '{"error":"no"}', tool_call_id: "c" }, answer("1")],
    true,
  ],
  [
    "arguments that are no JSON",
    [call("{a"), { role: "tool", content: "1", tool_call_id: "c" }, answer("1")],
    false,
  ],
  [
    "arguments that are no object",
    [call("[1]"), { role: "tool", content: "1", tool_call_id: "c" }, answer("1")],
    false,
  ],
  ["a call without a result", [call('{"a":1}'), answer("1")], false],
  ["a call at the end", [call('{"a":1}'), { role: "tool", content: "1", tool_call_id: "c" }], false],
  ["a call left in the text", [answer('<tool_call>{"name": "add"')], false],
])("well formed: %s", (_name, messages, isKept) => {
  expect(kept({ wellFormed: true }, [messages], [1]).kept !== null).toBe(isKept);
});

function call(args: string): Message {
  return {
    role: "assistant",
    content: "",
    tool_calls: [{ id: "c", function: { name: "add", arguments: args } }],
  };
}
function answer(content: string): Message {
  return { role: "assistant", content };
}

test("an item's share runs over its groups, and another item has its own", () => {
  const filter = new GroupFilter({ ...noRules, maxPerItem: 3 });
  const item = group(answers("a", "b"), [0, 1]);
  const other = group([[{ role: "user", content: "other" }, answer("a")]], [1]);
  const sizes = [item, item, other, item].map((each) =>
    filter.apply(each, "here")?.samples.map(({ score }) => score),
  );
  expect(sizes).toEqual([[0, 1], [1], [1], undefined]);
  expect(filter.samples).toEqual({ seen: 7, kept: 4 });
  expect(filter.leftOut.get("item-full")).toBe(3);
});

test("of any group, a filter keeps samples of it in order, none twice, and counts all of them", () => {
  const rules = fc.record({
    minScore: fc.option(fc.integer({ min: -2, max: 2 })),
    best: fc.option(fc.integer({ min: 1, max: 4 })),
    distinct: fc.constantFrom(null, "answer" as const, "conversation" as const),
    maxPerItem: fc.option(fc.integer({ min: 1, max: 4 })),
    wellFormed: fc.boolean(),
  });
  const scored = fc.array(
    fc.record({ text: fc.constantFrom("", "a", "b", "c"), score: fc.integer({ min: -2, max: 2 }) }),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(rules, scored, (chosen, samples) => {
      const result = kept(
        chosen,
        answers(...samples.map(({ text }) => text)),
        samples.map(({ score }) => score),
      );
      const indices = result.kept ?? [];
      expect(indices).toEqual([...new Set(indices)].sort((a, b) => a - b));
      const left = Object.values(result.leftOut).reduce((sum, count) => sum + count, 0);
      expect(indices.length + left).toBe(samples.length);
    }),
  );
});

describe("pairs", () => {
  test("the better one is better by more than the gap, and no worse one serves twice", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 3 }),
        fc.nat(99),
        (scores, pairs, minGap, seed) => {
          const samples = scores.map((score, index) => ({ score, index }));
          const made = preferencePairs(samples, { pairs, minGap, seed });
          expect(made.length).toBeLessThanOrEqual(pairs);
          for (const { chosen, rejected } of made) expect(rejected.score).toBeLessThan(chosen.score - minGap);
          expect(new Set(made.map(({ rejected }) => rejected.index)).size).toBe(made.length);
          expect(new Set(made.map(({ chosen }) => chosen.index)).size).toBe(made.length);
          expect(preferencePairs(samples, { pairs, minGap, seed })).toEqual(made);
        },
      ),
    );
  });

  test("the best meets one of the worst", () => {
    const samples = [0, 0.2, 0.9, 1].map((score) => ({ score }));
    expect(
      preferencePairs(samples, { pairs: 2, minGap: 0.5, seed: 1 }).map(({ chosen }) => chosen.score),
    ).toEqual([1, 0.9]);
    expect(preferencePairs(samples, { pairs: 1, minGap: 0.5, seed: 1 })).toEqual([
      { chosen: { score: 1 }, rejected: { score: 0 } },
    ]);
  });
});
