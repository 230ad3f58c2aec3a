import { expect, test } from "vitest";
import type { ChatMessage } from "../../src/contracts/chat.ts";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import { SegmentTracker } from "../../src/tokens/segment-tracker.ts";
import type { Tokenizer } from "../../src/tokens/tokenizer.ts";
import {
  callOf,
  forgetful,
  playTurn,
  template,
  tokenizer,
  tool,
  trackerOf,
  user,
} from "../support/tracked-rollout.ts";

const end = "<|im_end|>";

/** Writes down what goes through it. */
class CountingTokenizer implements Tokenizer {
  readonly name = tokenizer.name;
  readonly vocabularySize = tokenizer.vocabularySize;
  readonly addedTokens = tokenizer.addedTokens;
  readonly bosId = tokenizer.bosId;
  readonly eosId = tokenizer.eosId;
  readonly texts: string[] = [];

  encode(text: string): number[] {
    this.texts.push(text);
    return tokenizer.encode(text);
  }

  async encodeLong(text: string): Promise<number[]> {
    return this.encode(text);
  }

  decode(ids: readonly number[], options?: { skipSpecialTokens?: boolean }): string {
    return tokenizer.decode(ids, options);
  }
}

/** A tool loop; answers with the last prompt's text. */
async function playToolLoop(tracker: SegmentTracker, turns: number): Promise<string> {
  const messages: ChatMessage[] = [user("hi")];
  let last = "";
  for (let turn = 0; turn < turns; turn += 1) {
    const message = { content: null, reasoning_content: "hmm", tool_calls: [callOf("f", "{}")] };
    const text = `<think>\nhmm\n</think>\n\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>${end}`;
    const { answer, prompt } = await playTurn(tracker, messages, { text, message }, forgetful);
    messages.push(answer, tool(`result ${turn} `.repeat(20)));
    last = prompt;
  }
  return last;
}

test("no text is encoded twice, and whole conversations are rendered at doubling lengths only", async () => {
  const counting = new CountingTokenizer();
  const tracker = new SegmentTracker({ format: new ChatFormat({ tokenizer: counting, template }) });
  const prompt = await playToolLoop(tracker, 60);
  const characters = counting.texts.reduce((sum, { length }) => sum + length, 0);
  expect(characters).toBeLessThan(prompt.length);
  expect(tracker.statistics()).toMatchObject({ turns: 60, extended: 59, rendersWindows: true });
  // 121 messages: the first, and a comparison at 3, 7, 15, 31, 63.
  expect(tracker.statistics().wholeRenders).toBe(6);
});

test.each(["template", "keep"] as const)(
  '"%s": a template that looks further back than a window is found out, and rendered whole from then on',
  async (tokenHistory) => {
    const looksBack = template.source.replace(
      "{%- if add_generation_prompt %}",
      "{%- if add_generation_prompt %}{{ '[long]' if messages|length > 6 }}",
    );
    const tracker = trackerOf(tokenHistory, looksBack);
    const messages: ChatMessage[] = [user("hi")];
    for (let turn = 0; turn < 7; turn += 1) {
      const { answer, prompt } = await playTurn(tracker, messages, { text: `a${end}` });
      expect(prompt.endsWith("[long]<|im_start|>assistant\n")).toBe(messages.length > 6);
      messages.push(answer, user("more"));
    }
    expect(tracker.statistics().rendersWindows).toBe(false);
  },
);

test("a new segment asks the tokenizer for the very pieces that it encoded, and remembers, already", async () => {
  const counting = new CountingTokenizer();
  const tracker = new SegmentTracker({ format: new ChatFormat({ tokenizer: counting, template }) });
  const question = "the same all the time ".repeat(50);
  const messages: ChatMessage[] = [user(question)];
  for (let turn = 0; turn < 5; turn += 1) {
    const text = `<think>\nhmm\n</think>\n\nyes${end}`;
    const message = { content: "yes", reasoning_content: "hmm" };
    const { answer } = await playTurn(tracker, messages, { text, message }, forgetful);
    messages.push(answer, user("again"));
  }
  expect(tracker.statistics().started).toEqual({ "first-turn": 1, "history-rewritten": 4 });
  const long = counting.texts.filter((text) => text.length > question.length);
  expect([long.length, new Set(long).size]).toEqual([5, 1]);
});
