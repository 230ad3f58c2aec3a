import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { wireNames } from "../../src/practice/wire/token-wire.ts";
import { ask, promptOf, qwen3, startTokenPractice, type TokenPractice } from "./token-practice.ts";

const prompt = promptOf(ask);
const eosId = qwen3.tokenizer.addedTokens.get("<|im_end|>")!;

type Told = { ids: number[]; logprobs: number[] | null; finish: unknown }[];

/** How a client of each API reads ids, log-probabilities and reasons; missing ones are null. */
// biome-ignore lint/suspicious/noExplicitAny: bodies of four servers
type Body = any;
const clients: Record<string, (practice: TokenPractice, n: number) => Promise<Told>> = {
  "vllm-generate": async (practice, n) => {
    const sampling_params = { n, logprobs: 0 };
    const { body } = await practice.post("/inference/v1/generate", { token_ids: prompt, sampling_params });
    return body.choices.map((one: Body) => ({
      ids: one.token_ids,
      logprobs: one.logprobs?.content.map((entry: Body) => entry.logprob) ?? null,
      finish: one.finish_reason,
    }));
  },
  "vllm-completions": async (practice, n) => {
    const asked = { prompt, n, max_tokens: 1000, logprobs: 0, return_token_ids: true };
    const { body } = await practice.post("/v1/completions", asked);
    return body.choices.map((one: Body) => ({
      ids: one.token_ids,
      logprobs: one.logprobs?.token_logprobs ?? null,
      finish: one.finish_reason,
    }));
  },
  sglang: async (practice, n) => {
    const sampling_params = { n, max_new_tokens: 1000 };
    const { body } = await practice.post("/generate", {
      input_ids: prompt,
      sampling_params,
      return_logprob: true,
    });
    return [body].flat().map(({ output_ids, meta_info }: Body) => ({
      ids: output_ids,
      logprobs: meta_info.output_token_logprobs?.map(([logprob]: Body) => logprob) ?? null,
      finish: meta_info.finish_reason.type,
    }));
  },
  llamacpp: async (practice, n) => {
    const { body } = await practice.post("/completion", { prompt, n, n_probs: 1, return_tokens: true });
    const words: Record<string, string> = { eos: "stop", word: "stop", limit: "length", none: "abort" };
    return [body].flat().map((one: Body) => ({
      ids: one.tokens,
      logprobs: one.completion_probabilities?.map((entry: Body) => entry.logprob) ?? null,
      finish: words[one.stop_type],
    }));
  },
  trl: async (practice, n) => {
    const { body } = await practice.post("/generate/", { prompts: [prompt], n, max_tokens: 1000 });
    return body.completion_ids.map((ids: number[], index: number) => ({
      ids,
      logprobs: body.logprobs?.[index].map(([logprob]: number[]) => logprob) ?? null,
      finish: null,
    }));
  },
  atropos: async (practice, n) => {
    const asked = { prompt: { prompt_token_ids: prompt }, n, max_tokens: 1000, logprobs: 0 };
    const { body } = await practice.post("/generate", asked);
    return body.token_ids.map((ids: number[], index: number) => ({
      ids,
      logprobs: body.logprobs?.[index].map(([entry]: Body) => Object.values(entry)[0]) ?? null,
      finish: body.finish_reasons[index],
    }));
  },
};

describe.each(Object.entries(clients))("%s", (shape, ask) => {
  const told = async (config: object, n = 1) => {
    await using practice = await startTokenPractice(config);
    const answers = await ask(practice, n);
    return { answers, entries: practice.entries };
  };
  const finishOf = (word: string) => (shape === "trl" ? null : word);

  test("without a fault: as many answers as asked, whole", async () => {
    const { answers, entries } = await told({}, 3);
    expect(answers).toHaveLength(3);
    for (const { ids, logprobs, finish } of answers) {
      expect(ids.at(-1)).toBe(eosId);
      expect(logprobs).toHaveLength(ids.length);
      expect(finish).toBe(finishOf("stop"));
    }
    expect(entries.map(({ ids, logprobs }) => ({ ids, logprobs }))).toEqual(
      answers.map(({ ids, logprobs }) => ({ ids, logprobs })),
    );
  });

  test("log-probabilities are dropped", async () => {
    const { answers, entries } = await told({ drop_logprobs_rate: 1 });
    expect(answers[0]!.logprobs).toBeNull();
    expect(answers[0]!.ids.at(-1)).toBe(eosId);
    expect(entries[0]).toMatchObject({ fault: "dropped-logprobs", logprobs: null });
  });

  test("lengths differ", async () => {
    const { answers, entries } = await told({ unequal_rate: 1 }, 2);
    for (const { ids, logprobs } of answers) expect(logprobs).toHaveLength(ids.length - 1);
    expect(entries[0]!.fault).toBe("unequal-lengths");
  });

  test("a log-probability is -9999", async () => {
    const { answers, entries } = await told({ floor_logprobs_rate: 1 });
    expect(answers[0]!.logprobs!.filter((value) => value === -9999)).toHaveLength(1);
    expect(entries[0]!.fault).toBe("floored-logprobs");
  });

  test.each([
    ["cut_rate", "length", "cut"],
    ["abort_rate", "abort", "aborted"],
  ])("%s: the answer breaks off, with reason %s", async (key, reason, fault) => {
    const { answers, entries } = await told({ [key]: 1 });
    const [{ ids, logprobs, finish } = { ids: [], logprobs: null, finish: "" }] = answers;
    expect(ids.at(-1)).not.toBe(eosId);
    expect(ids.length).toBeGreaterThan(0);
    expect(logprobs).toHaveLength(ids.length);
    expect(finish).toBe(finishOf(reason));
    expect(entries[0]).toMatchObject({ fault, ids, finish_reason: reason });
  });

  test("answers are too many or too few", async () => {
    expect((await told({ wrong_count_rate: 1 }, 1)).answers).toHaveLength(2);
    const counts = new Set<number>();
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      counts.add((await told({ wrong_count_rate: 1, seed }, 4)).answers.length);
    }
    expect(counts).toEqual(new Set([3, 5]));
  });

  test("the connection breaks, before the answer or within it", async () => {
    await using practice = await startTokenPractice({ die_rate: 1 });
    for (let call = 0; call < 2; call += 1) await expect(ask(practice, 1)).rejects.toThrow();
    expect(practice.entries.map(({ fault }) => fault)).toEqual(["died", "died"]);
  });
});

test.each([
  [
    "/inference/v1/generate",
    { token_ids: prompt, sampling_params: {} },
    { error: { type: "InternalServerError" } },
  ],
  ["/v1/completions", { prompt }, { error: { code: 500 } }],
  ["/generate", { input_ids: prompt }, { error: { message: expect.stringMatching(/on purpose/) } }],
  ["/completion", { prompt }, { error: { code: 500, type: "server_error" } }],
  ["/generate/", { prompts: [prompt] }, { detail: expect.stringMatching(/on purpose/) }],
  ["/generate", { prompt: "Hm?" }, { detail: expect.stringMatching(/on purpose/) }],
])("%s fails in its server's words", async (path, body, expected) => {
  await using practice = await startTokenPractice({ fail_rate: 1 });
  const answer = await practice.post(path, body);
  expect(answer.status).toBe(500);
  expect(answer.body).toMatchObject(expected);
  expect(practice.entries).toEqual([]);
});

describe("weights", () => {
  test("change mid-run by the count of answers, and SGLang tells which it sampled from", async () => {
    await using practice = await startTokenPractice({ weight_version_every: 2 });
    const versions = [];
    for (let call = 0; call < 5; call += 1) {
      const { body } = await practice.post("/generate", { input_ids: prompt, return_logprob: true });
      versions.push(body.meta_info.weight_version);
    }
    expect(versions).toEqual(["default", "default", "1", "1", "2"]);
    expect(practice.entries.map((entry) => entry.weight_version)).toEqual(versions);
    expect(await practice.get("/weight_info")).toEqual({ weight_version: "2" });
    expect(await practice.get("/bridge/info")).toEqual({ update_count: 2 });
  });

  test("change when a trainer says so", async () => {
    await using practice = await startTokenPractice();
    await practice.post("/update_weight_version", { new_version: "step-7" });
    await practice.post("/generate", { input_ids: prompt });
    expect(practice.entries[0]!.weight_version).toBe("step-7");
    expect((await practice.post("/update_weight_version", {})).status).toBe(400);
  });
});

describe("shares", () => {
  test("of faults come true over many requests, one fault at a time", async () => {
    await using practice = await startTokenPractice({ cut_rate: 0.3, unequal_rate: 0.2, seed: 3 });
    const body = { prompts: [prompt], max_tokens: 20 };
    for (let call = 0; call < 100; call += 1) await practice.post("/generate/", body);
    const share = (fault: string | null) => practice.entries.filter((entry) => entry.fault === fault).length;
    expect(practice.entries).toHaveLength(100);
    expect(share("cut")).toBeGreaterThan(15);
    expect(share("cut")).toBeLessThan(45);
    expect(share("unequal-lengths")).toBeGreaterThan(5);
    expect(share(null)).toBe(100 - share("cut") - share("unequal-lengths"));
  });

  test("that add up to more than 1 are refused", () => {
    const parsed = practiceConfig.safeParse({ cut_rate: 0.6, die_rate: 0.5 });
    expect(parsed.error?.issues).toMatchObject([{ path: ["fail_rate"], message: /add up to more than 1/ }]);
    expect(
      practiceConfig.safeParse({ cut_rate: 0.5, die_rate: 0.5, error_rate: 1, drift_rate: 1 }).success,
    ).toBe(true);
  });
});

test("every flag stands on its page", async () => {
  const page = await readFile(new URL("../../docs/practice-server.md", import.meta.url), "utf8");
  const keys = Object.keys(practiceConfig.shape).filter((key) => key !== "model_name");
  for (const flag of [...keys.map((key) => `--${key.replaceAll("_", "-")}`), "--shape", "--token-log"]) {
    expect(page).toContain(flag);
  }
  for (const name of wireNames) expect(page).toContain(`\`${name}\``);
});
