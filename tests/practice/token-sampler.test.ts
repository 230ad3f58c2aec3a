import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { driftIds } from "../../src/practice/token-drift.ts";
import { type SampleOptions, type SamplingRequest, TokenSampler } from "../../src/practice/token-sampler.ts";
import { qwen3 } from "./token-practice.ts";

const { tokenizer } = qwen3;
const eosId = tokenizer.addedTokens.get("<|im_end|>")!;
const text = 'Café 数 🫙: 84 jars.\n<tool_call>\n{"name": "python"}\n</tool_call>';
const ids = tokenizer.encode(text);

const plain: SamplingRequest = {
  n: 1,
  temperature: 1,
  maxTokens: null,
  stop: [],
  stopTokenIds: [],
  seed: null,
  topLogprobs: 0,
  skipSpecialTokens: true,
  includeStop: false,
};

const createSampler = (options: { driftRate?: number; contextLength?: number; seed?: number } = {}) =>
  new TokenSampler({
    tokenizer,
    endOfTurn: "<|im_end|>",
    seed: 0,
    driftRate: 0,
    contextLength: 4096,
    ...options,
  });

function sample(sampling: Partial<SamplingRequest> = {}, options: Partial<SampleOptions> = {}) {
  return createSampler().sample({
    promptIds: [1, 2, 3],
    text,
    seed: 0,
    processedLogprobs: false,
    weightVersion: "default",
    ...options,
    sampling: { ...plain, ...sampling },
  });
}

describe("how an answer ends", () => {
  test("by EOS, which the ids have and the text lacks", () => {
    expect(sample()).toMatchObject({ ids: [...ids, eosId], text, finish: "stop", stopReason: null });
  });

  test("by the limit; EOS as the last token that fits is still a stop", () => {
    expect(sample({ maxTokens: 5 })).toMatchObject({
      ids: ids.slice(0, 5),
      text: tokenizer.decode(ids.slice(0, 5)),
      finish: "length",
      stopReason: null,
    });
    expect(sample({ maxTokens: ids.length }).finish).toBe("length");
    expect(sample({ maxTokens: ids.length + 1 }).finish).toBe("stop");
  });

  test("by the end of the context", () => {
    const sampler = createSampler({ contextLength: 8 });
    const options = { text, sampling: plain, seed: 0, processedLogprobs: false, weightVersion: "1" };
    expect(sampler.sample({ promptIds: [1, 2, 3], ...options }).ids).toEqual(ids.slice(0, 5));
  });

  test("by a stop string: the ids keep all that was sampled, the text ends before it", () => {
    const stopped = sample({ stop: ["nowhere", "python", "jar"] });
    expect(stopped).toMatchObject({ text: "Café 数 🫙: 84 ", finish: "stop", stopReason: "jar" });
    expect(tokenizer.decode(stopped.ids)).toContain("jar");
    expect(tokenizer.decode(stopped.ids.slice(0, -1))).not.toContain("jar");
    expect(sample({ stop: ["jar"], includeStop: true }).text).toBe("Café 数 🫙: 84 jar");
  });

  test("by a stop token, whichever comes first", () => {
    const callId = tokenizer.addedTokens.get("<tool_call>")!;
    const at = ids.indexOf(callId);
    const stopped = sample({ stopTokenIds: [eosId, callId] });
    expect(stopped).toMatchObject({ ids: ids.slice(0, at + 1), finish: "stop", stopReason: callId });
    expect(stopped.text).toBe("Café 数 🫙: 84 jars.\n");
    expect(sample({ stopTokenIds: [callId], stop: ["python"] }).stopReason).toBe(callId);
    expect(sample({ stopTokenIds: [callId], stop: ["84"] }).stopReason).toBe("84");
    // An EOS that is asked for as a stop token is EOS nonetheless.
    expect(sample({ stopTokenIds: [eosId] }).stopReason).toBeNull();
  });

  test("a tokenizer without the end of a turn is refused", () => {
    expect(
      () => new TokenSampler({ tokenizer, endOfTurn: "<|eot_id|>", seed: 0, driftRate: 0, contextLength: 9 }),
    ).toThrow(expect.objectContaining({ code: "TOKENIZER_INVALID" }));
  });
});

describe("log-probabilities", () => {
  test("one per id, finite, never above 0, mostly likely", () => {
    const { logprobs } = sample({}, { text: text.repeat(20) });
    expect(logprobs).toHaveLength(20 * ids.length + 1);
    expect(logprobs?.every((value) => Number.isFinite(value) && value < 0)).toBe(true);
    expect(logprobs!.filter((value) => value > -1).length).toBeGreaterThan(0.6 * logprobs!.length);
  });

  test("the same context gives the same again; other contexts, weights and seeds give others", () => {
    const { logprobs } = sample();
    expect(sample().logprobs).toEqual(logprobs);
    expect(sample({ maxTokens: 5 }).logprobs).toEqual(logprobs?.slice(0, 5));
    expect(sample({}, { promptIds: [1, 2, 4] }).logprobs).not.toEqual(logprobs);
    expect(sample({}, { weightVersion: "1" }).logprobs).not.toEqual(logprobs);
    const other = createSampler({ seed: 1 });
    const options = { text, seed: 0, processedLogprobs: false, weightVersion: "default" };
    expect(other.sample({ promptIds: [1, 2, 3], sampling: plain, ...options }).logprobs).not.toEqual(
      logprobs,
    );
  });

  test("processed ones differ from raw ones where the temperature is not 1, and stay at or below 0", () => {
    const { logprobs: raw } = sample();
    const at = (temperature: number) => sample({ temperature }, { processedLogprobs: true }).logprobs;
    expect(at(1)).toEqual(raw);
    expect(at(0)).toEqual(raw);
    expect(sample({ temperature: 0.5 }).logprobs).toEqual(raw);
    for (const temperature of [0.1, 0.5, 2]) {
      expect(at(temperature)).not.toEqual(raw);
      expect(at(temperature)?.every((value) => Number.isFinite(value) && value <= 0)).toBe(true);
    }
  });

  test("rivals are other tokens, the likeliest first, no more than are left over", () => {
    for (const { id, logprob, rivals } of sample({ topLogprobs: 5 }).scored) {
      expect(new Set([id, ...rivals.map((rival) => rival.id)]).size).toBe(6);
      const values = rivals.map((rival) => rival.logprob);
      expect(values).toEqual(values.toSorted((left, right) => right - left));
      const mass = [logprob, ...values].reduce((sum, value) => sum + Math.exp(value), 0);
      expect(mass).toBeLessThan(1 + 1e-6);
    }
  });
});

describe("drift", () => {
  test("gives the same text by ids that encoding it would not give", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), fc.integer(), (written, seed) => {
        const canonical = tokenizer.encode(`${written} jars`);
        const drifted = driftIds(tokenizer, canonical, seededRandom(seed));
        expect(drifted).not.toBeNull();
        expect(drifted).not.toEqual(canonical);
        expect(tokenizer.decode(drifted!)).toBe(tokenizer.decode(canonical));
      }),
    );
  });

  test("leaves special tokens and single characters alone", () => {
    const call = tokenizer.addedTokens.get("<tool_call>")!;
    expect(driftIds(tokenizer, [call, ...tokenizer.encode("a")], seededRandom(1))).toBeNull();
    expect(driftIds(tokenizer, [], seededRandom(1))).toBeNull();
  });

  test("comes at its rate, and is told", () => {
    const sampler = createSampler({ driftRate: 0.3 });
    const drifted = Array.from({ length: 200 }, (_, seed) =>
      sampler.sample({
        promptIds: [1],
        text,
        sampling: plain,
        seed: Math.imul(seed + 1, 0x9e3779b1),
        processedLogprobs: false,
        weightVersion: "1",
      }),
    );
    const isCanonical = (sequence: (typeof drifted)[number]) =>
      JSON.stringify(sequence.ids) === JSON.stringify([...ids, eosId]);
    expect(drifted.filter((one) => one.drifted).length / drifted.length).toBeCloseTo(0.3, 0);
    expect(drifted.every((one) => one.drifted !== isCanonical(one))).toBe(true);
    expect(drifted.every((one) => one.text === text)).toBe(true);
  });
});
