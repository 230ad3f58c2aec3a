import { describe, expect, test } from "vitest";
import { createReward } from "../../rewards/index.ts";
import {
  checksOf,
  instructions,
  judgeLoosely,
  judgeStrictly,
} from "../../rewards/instructions/instructions.ts";

/** Name, arguments, an answer that follows, one that doesn't. */
const cases: [string, Record<string, unknown>, string, string][] = [
  [
    "change_case:capital_word_frequency",
    { capital_relation: "less than", capital_frequency: 2 },
    "GO now",
    "GO NOW",
  ],
  ["change_case:english_capital", {}, "ALL OF IT, 3 TIMES!", "Most OF IT"],
  ["change_case:english_lowercase", {}, "all of it.", "All of it."],
  ["combination:repeat_prompt", { prompt_to_repeat: "Say hi." }, "Say hi.\nHi!", "Hi! Say hi."],
  ["combination:two_responses", {}, "one\n******\ntwo", "one\n******\none"],
  ["detectable_content:number_placeholders", { num_placeholders: 2 }, "[a] and [b c]", "[a] and []"],
  ["detectable_content:postscript", { postscript_marker: "P.P.S" }, "x\n\n**P.P.S** more", "x P.P.S more"],
  ["detectable_format:constrained_response", {}, "My answer is maybe.", "Maybe."],
  ["detectable_format:json_format", {}, "```json\n[1]\n```", "here: {}"],
  ["detectable_format:json_format", {}, '{"a": 1}', "7"],
  [
    "detectable_format:multiple_sections",
    { section_spliter: "Section", num_sections: 2 },
    "## Section 1\na\nSECTION 2\nb",
    "Section 1 Section 2",
  ],
  ["detectable_format:number_bullet_lists", { num_bullets: 2 }, "* a\n- b", "* a\n- b\n- c"],
  ["detectable_format:number_highlighted_sections", { num_highlights: 2 }, "*a* and **b**", "*a* and ** **"],
  ["detectable_format:title", {}, "<<Rain>>\nIt rains.", "<< >>\nIt rains."],
  ["keywords:existence", { keywords: ["rain", "Sun"] }, "sun after RAIN", "sun"],
  ["keywords:forbidden_words", { forbidden_words: ["cat"] }, "concatenate", "a Cat."],
  ["keywords:frequency", { keyword: "go", frequency: 2, relation: "at least" }, "go, Go", "go"],
  [
    "keywords:letter_frequency",
    { letter: "e", let_frequency: 2, let_relation: "less than" },
    "tree".slice(0, 3),
    "tree",
  ],
  [
    "language:response_language",
    { language: "hi" },
    "यह एक छोटा वाक्य है और यह सही है",
    "This is a short sentence",
  ],
  [
    "language:response_language",
    { language: "de" },
    "Das ist ein Haus und es ist nicht groß.",
    "This is a house and it is not big.",
  ],
  [
    "language:response_language",
    { language: "uk" },
    "Це речення українською мовою і воно коротке.",
    "Это предложение на русском языке.",
  ],
  [
    "length_constraints:nth_paragraph_first_word",
    { num_paragraphs: 2, nth_paragraph: 2, first_word: "then" },
    "a\n\n**Then** b",
    "a\n\nb then",
  ],
  ["length_constraints:number_paragraphs", { num_paragraphs: 2 }, "a\n***\nb", "a\n\nb"],
  [
    "length_constraints:number_sentences",
    { num_sentences: 3, relation: "less than" },
    "Dr. A. Smith paid 3.50. He left!",
    "One. Two. Three.",
  ],
  ["length_constraints:number_words", { num_words: 3, relation: "at least" }, "it isn't far", "well done"],
  ["punctuation:no_comma", {}, "one; two", "one, two"],
  ["startend:end_checker", { end_phrase: "Any questions?" }, 'Done. "any questions?"', "Any questions? No."],
  ["startend:quotation", {}, '"Well."', '"Well".'],
];

test.each(cases)("%s: %j", (id, kwargs, follows, breaks) => {
  const nulls = { keywords: null, num_words: null, ...kwargs };
  const checks = checksOf([id], [nulls]);
  expect(judgeStrictly(follows, checks).all).toBe(true);
  expect(judgeStrictly(breaks, checks).all).toBe(false);
  expect(judgeStrictly(" \n", checks).all).toBe(false);
});

test("every instruction is tried above", () => {
  expect([...new Set(cases.map(([id]) => id))].sort()).toEqual(Object.keys(instructions).sort());
});

test("loosely, the first and last line and asterisks may be in the way", () => {
  const checks = checksOf(["startend:quotation"], [{}]);
  for (const answer of ['Sure!\n"Well."', '"Well."\nBye', '**"Well."**', 'Sure!\n"Well."\nBye']) {
    expect(judgeStrictly(answer, checks).all).toBe(false);
    expect(judgeLoosely(answer, checks).all).toBe(true);
  }
  expect(judgeLoosely("Well.", checks).all).toBe(false);
  expect(judgeLoosely("Sure!", checksOf(["punctuation:no_comma"], [{}])).all).toBe(true);
});

describe("the reward", () => {
  const item = { instruction_id_list: ["punctuation:no_comma", "startend:quotation"], kwargs: [{}, {}] };
  const score = (content: string, params: Record<string, string | boolean> = {}) =>
    createReward({ type: "instructions", params })({
      rollout: { messages: [{ role: "assistant", content }], stop: "finished", turnsUsed: 1 },
      item,
      toolContext: null,
      signal: new AbortController().signal,
    });

  test("is all or nothing, or a share; thinking is not judged", async () => {
    expect((await score('<think>a, b</think>"Well."')).score).toBe(1);
    expect((await score("Well.")).score).toBe(0);
    expect((await score("Well.", { partial: true })).score).toBe(0.5);
    expect((await score('Sure!\n"Well."', { mode: "loose" })).score).toBe(1);
    expect((await score('Sure!\n"Well."')).metrics).toEqual({
      "instructions/prompt_strict": 0,
      "instructions/prompt_loose": 1,
      "instructions/instruction_strict": 0.5,
      "instructions/instruction_loose": 1,
    });
  });

  test("refuses an item whose instructions it doesn't know", async () => {
    const unknown = { instruction_id_list: ["no:such"], kwargs: [{}] };
    const reward = createReward("instructions");
    const call = {
      rollout: { messages: [], stop: "finished" as const, turnsUsed: 1 },
      toolContext: null,
      signal: new AbortController().signal,
    };
    await expect(reward({ ...call, item: unknown })).rejects.toMatchObject({ code: "REWARD_ITEM_INVALID" });
    await expect(
      reward({ ...call, item: { ...unknown, instruction_id_list: ["toString"] } }),
    ).rejects.toMatchObject({
      code: "REWARD_ITEM_INVALID",
    });
  });
});
