import { describe, expect, test } from "vitest";
import type { SegmentTracker } from "../../src/tokens/segment-tracker.ts";
import { playTurn, sampled, signal, tokenizer, trackerOf, user } from "../support/tracked-rollout.ts";

const end = "<|im_end|>";
const opening = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
const textOf = (tracker: SegmentTracker) => tracker.segments().map(({ tokens }) => tokenizer.decode(tokens));

describe("branches", () => {
  test("answers to one prompt are segments of their own, and what they share is sampled in the newest", async () => {
    const tracker = trackerOf();
    const { answer } = await playTurn(tracker, [user("hi")], { text: `a${end}` });
    const messages = [user("hi"), answer, user("bye")];
    const prepared = await tracker.prepare({ messages, signal });
    for (const text of ["b", "c"])
      tracker.commit(prepared, sampled(text + end), { role: "assistant", content: text });

    const [older, newer] = tracker.segments();
    const trained = (segment = older) =>
      tokenizer.decode(segment!.tokens.filter((_, at) => segment!.sampled[at]));
    expect([trained(older), trained(newer)]).toEqual([`b${end}`, `a${end}c${end}`]);
    expect(older!.tokens.slice(0, prepared.inputIds.length)).toEqual(
      newer!.tokens.slice(0, prepared.inputIds.length),
    );
    expect(tracker.statistics()).toMatchObject({ turns: 3, forked: 1 });
  });

  test("the same request again shares its prompt, whenever it comes", async () => {
    const tracker = trackerOf();
    const messages = [user("hi")];
    const [a, b] = await Promise.all([
      tracker.prepare({ messages, signal }),
      tracker.prepare({ messages, signal }),
    ]);
    tracker.commit(a, sampled(`a${end}`), { role: "assistant", content: "a" });
    const c = await tracker.prepare({ messages: structuredClone(messages), signal });
    expect(b.prompt).toBe(a.prompt);
    expect(c.prompt).toBe(a.prompt);
    expect(tracker.statistics().wholeRenders).toBe(2);
  });

  test("a retry whose answer nothing followed is kept, or dropped on demand", async () => {
    const tracker = trackerOf();
    await playTurn(tracker, [user("hi")], { text: `lost${end}` });
    const { answer } = await playTurn(tracker, [user("hi")], { text: `kept${end}` });
    await playTurn(tracker, [user("hi"), answer, user("bye")], { text: end });
    expect(tracker.segments()).toHaveLength(2);
    const [only, ...others] = tracker.segments({ abandoned: "drop" });
    expect([tokenizer.decode(only!.tokens).includes("kept"), others]).toEqual([true, []]);
  });
});

describe("segments", () => {
  test("carry weight versions where every turn has them, the last finish reason and the conversation", async () => {
    const tracker = trackerOf();
    const versions = (text: string, version: number) => tokenizer.encode(text).map(() => version);
    const text = `a${end}`;
    const { answer } = await playTurn(tracker, [user("hi")], {
      text,
      changes: { versions: versions(text, 3) },
    });
    const messages = [user("hi"), answer, user("bye")];
    await playTurn(tracker, messages, {
      text: "cu",
      changes: { versions: versions("cu", 4), finishReason: "length" },
    });
    const [segment] = tracker.segments();
    expect(segment).toMatchObject({ finishReason: "length", startedBecause: "first-turn" });
    expect(segment!.messages).toEqual([...messages, { role: "assistant", content: "cu" }]);
    expect([...new Set(segment!.versions)].toSorted()).toEqual([-1, 3, 4]);
    expect(segment!.versions!.map((version) => version >= 0)).toEqual(segment!.sampled);
  });

  test("a prompt that was never answered is none", async () => {
    const tracker = trackerOf();
    const { answer } = await playTurn(tracker, [user("hi")], { text: `a${end}` });
    await tracker.prepare({ messages: [user("hi"), answer, user("bye")], signal });
    expect(textOf(tracker)).toEqual([`${opening}a${end}`]);
  });
});

describe("limits", () => {
  test.each([
    [{}, null, false],
    [{ maxTokens: 50 }, 50, false],
    [{ contextLength: 1_000 }, 1_000 - tokenizer.encode(opening).length, false],
    [{ contextLength: tokenizer.encode(opening).length + 3, maxTokens: 50 }, 3, false],
    [{ contextLength: tokenizer.encode(opening).length, maxTokens: 50 }, 0, true],
    [{ contextLength: 2 }, 0, true],
  ])("%o leave room for %s tokens", async (limits, maxTokens, isContextFull) => {
    const prepared = await trackerOf().prepare({ messages: [user("hi")], signal, ...limits });
    expect(prepared).toMatchObject({ maxTokens, isContextFull });
  });

  test("an aborted call prepares nothing", async () => {
    const reason = new Error("enough");
    await expect(
      trackerOf().prepare({ messages: [user("hi")], signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });
});

describe("prompts of text", () => {
  test.each([
    ["that repeat the end of the answer", `yes${end}\nagain`],
    ["that lack it, as servers' text does", "yes\nagain"],
  ])("%s go on with the ids, the end once", async (_name, continued) => {
    const tracker = trackerOf();
    const first = await tracker.prepareText({ prompt: "Q: 1\nA: ", signal });
    tracker.commit(first, sampled(`yes${end}`), { role: "assistant", content: "yes" });
    const second = await tracker.prepareText({ prompt: `Q: 1\nA: ${continued}`, signal });
    expect(second.kind).toBe("extend");
    expect(tokenizer.decode(second.inputIds)).toBe(`Q: 1\nA: yes${end}\nagain`);
    const third = await tracker.prepareText({ prompt: "Q: 2\nA: ", signal });
    expect(third).toMatchObject({ kind: "new", reason: "other-conversation" });
  });

  test("the longest of several answers that fit is gone on with", async () => {
    const tracker = trackerOf();
    const first = await tracker.prepareText({ prompt: "P", signal });
    for (const text of ["A", "AB"])
      tracker.commit(first, sampled(text), { role: "assistant", content: text });
    const second = await tracker.prepareText({ prompt: "PABC", signal });
    expect(second.inputIds).toEqual([...first.inputIds, ...tokenizer.encode("AB"), ...tokenizer.encode("C")]);
  });
});
