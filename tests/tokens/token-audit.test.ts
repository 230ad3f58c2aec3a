import { describe, expect, test } from "vitest";
import type { Generation } from "../../src/contracts/token-server.ts";
import { playTurn, sampled, signal, tokenizer, trackerOf, user } from "../support/tracked-rollout.ts";

const answer = { role: "assistant" as const, content: "x" };

describe("the audit", () => {
  test.each<[string, Partial<Generation>, RegExp]>([
    ["no ids", { ids: [], logprobs: [] }, /no token/],
    ["a log-probability too few", { logprobs: [-1] }, /each of 2 .* got 1/],
    ["one too many", { logprobs: [-1, -1, -1] }, /got 3/],
    ["a log-probability that is none", { logprobs: [-1, Number.NaN] }, /NaN at 1/],
    ["an infinite one", { logprobs: [Number.NEGATIVE_INFINITY, -1] }, /-Infinity at 0/],
    ["the server's word for none", { logprobs: [-1, -9999] }, /-9999 at 1/],
    ["a probability above 1", { logprobs: [0.5, -1] }, /0\.5 at 0/],
    ["an id beyond the vocabulary", { ids: [1, tokenizer.vocabularySize] }, /isn't in the vocabulary/],
    ["a negative id", { ids: [-1, 1] }, /id -1 at 0/],
    ["half an id", { ids: [1, 1.5] }, /id 1\.5 at 1/],
    ["a weight version too few", { versions: [1] }, /weight version for each of 2/],
    ["a weight version that is none", { versions: [1, Number.NaN] }, /NaN at 1/],
  ])("refuses %s, and records nothing", async (_name, changes, message) => {
    const tracker = trackerOf();
    const prepared = await tracker.prepare({ messages: [user("hi")], signal });
    const generation = { ...sampled([1, 2]), ...changes };
    expect(() => tracker.commit(prepared, generation, answer)).toThrow(
      expect.objectContaining({
        code: "TOKEN_AUDIT_FAILED",
        retryable: true,
        message: expect.stringMatching(message),
      }),
    );
    expect(tracker.segments()).toEqual([]);
  });

  test("takes certain tokens whose log-probability was rounded above 0", async () => {
    const tracker = trackerOf();
    await playTurn(tracker, [user("hi")], { text: "x", changes: { logprobs: [1e-7] } });
    expect(tracker.segments()[0]!.logprobs.at(-1)).toBe(1e-7);
  });

  test("refuses a prompt that isn't what was prepared", async () => {
    const tracker = trackerOf();
    const prepared = await tracker.prepare({ messages: [user("hi")], signal });
    const sent = prepared.inputIds as number[];
    sent[1] = 7;
    expect(() => tracker.commit(prepared, sampled("x"), answer)).toThrow(/they part at 1/);
  });

  test("refuses a turn of another rollout", async () => {
    const prepared = await trackerOf().prepare({ messages: [user("hi")], signal });
    expect(() => trackerOf().commit(prepared, sampled("x"), answer)).toThrow(/not prepared by this rollout/);
  });
});
