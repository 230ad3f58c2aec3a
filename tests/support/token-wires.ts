/**
 * The wire shapes of the stock token servers, from the server's side: what the request to each looks like to
 * the field, and how it writes what it sampled. Written from the servers' documented shapes, not from our code.
 */
import type { JsonObject } from "../../src/contracts/chat.ts";
import type { LogprobKind } from "../../src/contracts/token-server.ts";
import type { ServerConfig } from "../../src/inference/server-config.ts";

/** What a fake server sampled. `null` stands for a log-probability that is missing in the server's own way. */
export type FakeSample = {
  ids: readonly number[];
  logprobs: readonly (number | null)[];
  finish: "stop" | "length" | "abort";
  /** Stop string, or id that the request named, at which it ended. */
  stopped?: string | number;
};

export type TokenWire = {
  name: string;
  serverType: ServerConfig["server_type"];
  path: string;
  sessionHeader: string;
  logprobKind: LogprobKind;
  /** The whole body of a request for `inputIds` with the contract suite's sampling (`contractSampling`). */
  expectedBody: JsonObject;
  /** Where the prompt's ids stand in a request's body. */
  promptOf(body: Record<string, unknown>): unknown;
  seedOf(body: Record<string, unknown>): unknown;
  nOf(body: Record<string, unknown>): number;
  answer(samples: readonly FakeSample[], prompt: readonly number[]): unknown;
  /** The answer without the field that holds its log-probabilities. */
  withoutLogprobs(answer: unknown): unknown;
  contextFull: { status: number; body: unknown };
  healthPath: string;
  /** The page that tells the weights' version, and the version it tells as text. */
  versionPage: { path: string; body: unknown; version: string } | null;
  /** The pages that tell how long prompt and answer may be together. */
  lengthPages: { path: string; body: unknown; length: number }[];
  /** True for servers that know how a sequence ended. */
  tellsFinish: boolean;
  /** True for servers that say at which stop string it ended. */
  tellsStopString: boolean;
  /** How many samples one request asks for when four are wanted, without and with a seed. */
  samplesPerCall: { unseeded: number; seeded: number };
};

export const inputIds = [1, 2, 3];

/** No field is at its default, lest one that is not sent pass for one that is. */
export const contractSampling = {
  temperature: 0.7,
  top_p: 0.9,
  top_k: 40,
  min_p: 0.05,
  repetition_penalty: 1.1,
  max_tokens: 64,
  stop: ["</answer>"],
  stop_token_ids: [2],
  seed: 7,
  n: 1,
  extra: { thinking_token_budget: 5 },
};

const modelsPage = {
  path: "/v1/models",
  body: {
    data: [
      { id: "other", max_model_len: 5 },
      { id: "m-7b", max_model_len: 4096 },
    ],
  },
  length: 4096,
};

const vllmFields = {
  n: 1,
  temperature: 0.7,
  top_p: 0.9,
  top_k: 40,
  min_p: 0.05,
  repetition_penalty: 1.1,
  presence_penalty: 0,
  frequency_penalty: 0,
  max_tokens: 64,
  stop: ["</answer>"],
  stop_token_ids: [2],
  seed: 7,
  logprobs: 0,
  thinking_token_budget: 5,
};

const nested = (value: unknown): Record<string, unknown> => value as Record<string, unknown>;
/** vLLM writes -9999 where it has no log-probability. */
const clamped = (logprob: number | null) => logprob ?? -9999;

function strip(value: unknown, names: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((one) => strip(one, names));
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !names.includes(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, strip(inner, names)]));
}

const vllmGenerate: TokenWire = {
  name: "vllm",
  serverType: "vllm",
  path: "/inference/v1/generate",
  sessionHeader: "x-session-id",
  logprobKind: "raw",
  expectedBody: { model: "m-7b", token_ids: inputIds, sampling_params: vllmFields, stream: false },
  promptOf: (body) => body.token_ids,
  seedOf: (body) => nested(body.sampling_params).seed,
  nOf: (body) => Number(nested(body.sampling_params).n),
  answer: (samples, prompt) => ({
    request_id: "generate-tokens-r1",
    model: "m-7b",
    created: 1,
    // Out of order, as asynchronous servers may.
    choices: samples
      .map(({ ids, logprobs, finish }, index) => ({
        index,
        finish_reason: finish,
        token_ids: ids,
        logprobs: {
          content: logprobs.map((logprob, place) => ({
            token: `token_id:${ids[place] ?? 0}`,
            logprob: clamped(logprob),
            bytes: null,
            top_logprobs: [],
          })),
        },
        routed_experts: null,
      }))
      .toReversed(),
    usage: { prompt_tokens: prompt.length, completion_tokens: 1, total_tokens: prompt.length + 1 },
    prompt_logprobs: null,
  }),
  withoutLogprobs: (answer) => strip(answer, ["logprobs"]),
  contextFull: {
    status: 400,
    body: {
      error: {
        message: "This model's maximum context length is 2048 tokens. However, your prompt has 4096 tokens.",
        type: "BadRequestError",
        param: null,
        code: 400,
      },
    },
  },
  healthPath: "/health",
  versionPage: { path: "/weight_info", body: { weight_version: "12" }, version: "12" },
  lengthPages: [modelsPage],
  tellsFinish: true,
  tellsStopString: false,
  samplesPerCall: { unseeded: 4, seeded: 4 },
};

/** What a vLLM without the generate route answers there; pairs with `vllmCompletions`. */
export const routeMissing = { status: 404, body: { detail: "Not Found" } };

const vllmCompletions: TokenWire = {
  ...vllmGenerate,
  name: "vllm without /inference/v1/generate",
  path: "/v1/completions",
  expectedBody: {
    ...vllmFields,
    model: "m-7b",
    prompt: inputIds,
    return_token_ids: true,
    return_tokens_as_token_ids: true,
    skip_special_tokens: false,
    spaces_between_special_tokens: false,
    add_special_tokens: false,
    echo: false,
    stream: false,
  },
  promptOf: (body) => body.prompt,
  seedOf: (body) => body.seed,
  nOf: (body) => Number(body.n),
  answer: (samples, prompt) => ({
    id: "cmpl-abc",
    object: "text_completion",
    created: 1,
    model: "m-7b",
    choices: samples.map(({ ids, logprobs, finish, stopped }, index) => ({
      index,
      text: " Paris",
      finish_reason: finish,
      stop_reason: stopped ?? null,
      logprobs: {
        text_offset: ids.map(() => 0),
        token_logprobs: logprobs.map(clamped),
        tokens: logprobs.map((_, place) => `token_id:${ids[place] ?? 0}`),
        top_logprobs: logprobs.map((logprob, place) => ({ [`token_id:${ids[place]}`]: clamped(logprob) })),
      },
      token_ids: ids,
      prompt_token_ids: prompt,
      prompt_logprobs: null,
    })),
    usage: { prompt_tokens: prompt.length, completion_tokens: 1, total_tokens: prompt.length + 1 },
  }),
  tellsStopString: true,
};

const sglang: TokenWire = {
  name: "sglang",
  serverType: "sglang",
  path: "/generate",
  sessionHeader: "x-smg-routing-key",
  logprobKind: "processed",
  expectedBody: {
    rid: "(made up)",
    input_ids: inputIds,
    sampling_params: {
      n: 1,
      temperature: 0.7,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.05,
      repetition_penalty: 1.1,
      presence_penalty: 0,
      frequency_penalty: 0,
      max_new_tokens: 64,
      min_new_tokens: 0,
      stop: ["</answer>"],
      stop_token_ids: [2],
      sampling_seed: 7,
      ignore_eos: false,
      skip_special_tokens: false,
      spaces_between_special_tokens: false,
      no_stop_trim: false,
      thinking_token_budget: 5,
    },
    return_logprob: true,
    logprob_start_len: -1,
    top_logprobs_num: 0,
    return_text_in_logprobs: false,
    stream: false,
  },
  promptOf: (body) => body.input_ids,
  seedOf: (body) => nested(body.sampling_params).sampling_seed,
  nOf: (body) => Number(nested(body.sampling_params).n),
  answer: (samples, prompt) => {
    const answers = samples.map(({ ids, logprobs, finish, stopped }) => ({
      text: " Paris",
      output_ids: ids,
      prompt_token_ids: null,
      meta_info: {
        id: "r1",
        finish_reason: {
          stop: { type: "stop", matched: stopped ?? ids.at(-1) },
          length: { type: "length", length: 64 },
          abort: { type: "abort", message: "Aborted by the server" },
        }[finish],
        prompt_tokens: prompt.length,
        completion_tokens: ids.length,
        cached_tokens: 0,
        weight_version: "17",
        input_token_logprobs: [],
        output_token_logprobs: logprobs.map((logprob, place) => [logprob, ids[place] ?? 0, null]),
        output_token_logprobs_length: logprobs.length,
      },
    }));
    return answers.length === 1 ? answers[0] : answers;
  },
  withoutLogprobs: (answer) => strip(answer, ["output_token_logprobs"]),
  contextFull: {
    status: 400,
    body: {
      error: { message: "The input (5000 tokens) is longer than the model's context length (4096 tokens)." },
    },
  },
  healthPath: "/health",
  versionPage: {
    path: "/model_info",
    body: { model_path: "m", weight_version: "step-3" },
    version: "step-3",
  },
  lengthPages: [
    modelsPage,
    { path: "/server_info", body: { context_length: null, max_total_num_tokens: 3000 }, length: 3000 },
    { path: "/server_info", body: { context_length: 2048, max_total_num_tokens: 9000 }, length: 2048 },
  ],
  tellsFinish: true,
  tellsStopString: true,
  samplesPerCall: { unseeded: 4, seeded: 1 },
};

const llamacpp: TokenWire = {
  name: "llamacpp",
  serverType: "llamacpp",
  path: "/completion",
  sessionHeader: "x-session-id",
  logprobKind: "raw",
  expectedBody: {
    prompt: inputIds,
    n_predict: 64,
    temperature: 0.7,
    top_k: 40,
    top_p: 0.9,
    min_p: 0.05,
    repeat_penalty: 1.1,
    repeat_last_n: -1,
    presence_penalty: 0,
    frequency_penalty: 0,
    typical_p: 1,
    top_n_sigma: -1,
    dynatemp_range: 0,
    xtc_probability: 0,
    dry_multiplier: 0,
    mirostat: 0,
    ignore_eos: false,
    stop: ["</answer>"],
    seed: 7,
    n_probs: 1,
    post_sampling_probs: false,
    return_tokens: true,
    cache_prompt: true,
    id_slot: -1,
    stream: false,
    thinking_token_budget: 5,
  },
  promptOf: (body) => body.prompt,
  seedOf: (body) => body.seed,
  nOf: () => 1,
  answer: ([sample], prompt) => {
    const { ids, logprobs, finish, stopped } = sample!;
    const word = typeof stopped === "string";
    return {
      content: " Paris",
      tokens: ids,
      stop: true,
      stop_type: { stop: word ? "word" : "eos", length: "limit", abort: "none" }[finish],
      stopping_word: word ? stopped : "",
      tokens_cached: 0,
      tokens_evaluated: prompt.length,
      truncated: false,
      timings: {},
      completion_probabilities: logprobs.map((logprob, place) => ({
        id: ids[place] ?? 0,
        token: "x",
        bytes: [120],
        logprob: logprob ?? -3.4028234663852886e38,
        top_logprobs: [],
      })),
    };
  },
  withoutLogprobs: (answer) => strip(answer, ["completion_probabilities"]),
  contextFull: {
    status: 400,
    body: {
      error: {
        code: 400,
        message: "the request (5000 tokens) exceeds the available size (4096 tokens), try increasing it",
        type: "exceed_context_size_error",
        n_prompt_tokens: 5000,
        n_ctx: 4096,
      },
    },
  },
  healthPath: "/health",
  versionPage: null,
  lengthPages: [
    { path: "/props", body: { default_generation_settings: { n_ctx: 512 }, total_slots: 4 }, length: 512 },
  ],
  tellsFinish: true,
  tellsStopString: true,
  samplesPerCall: { unseeded: 1, seeded: 1 },
};

const trl: TokenWire = {
  name: "trl",
  serverType: "trl",
  path: "/generate/",
  sessionHeader: "x-session-id",
  logprobKind: "processed",
  expectedBody: {
    prompts: [inputIds],
    n: 1,
    repetition_penalty: 1.1,
    temperature: 0.7,
    top_p: 0.9,
    top_k: 40,
    min_p: 0.05,
    max_tokens: 64,
    logprobs: 0,
    generation_kwargs: {
      presence_penalty: 0,
      frequency_penalty: 0,
      stop: ["</answer>"],
      stop_token_ids: [2],
      seed: 7,
      thinking_token_budget: 5,
    },
  },
  promptOf: (body) => (body.prompts as unknown[])[0],
  seedOf: (body) => nested(body.generation_kwargs).seed,
  nOf: (body) => Number(body.n),
  answer: (samples, prompt) => ({
    prompt_ids: [prompt],
    completion_ids: samples.map(({ ids }) => ids),
    logprobs: samples.map(({ logprobs }) => logprobs.map((logprob) => [logprob])),
    logprob_token_ids: samples.map(({ ids, logprobs }) => logprobs.map((_, place) => [ids[place] ?? 0])),
  }),
  withoutLogprobs: (answer) => strip(answer, ["logprobs", "logprob_token_ids"]),
  contextFull: {
    status: 400,
    body: { detail: "The decoder prompt (length 5000) is longer than the maximum model length of 4096." },
  },
  healthPath: "/health/",
  versionPage: null,
  lengthPages: [],
  tellsFinish: false,
  tellsStopString: false,
  samplesPerCall: { unseeded: 4, seeded: 4 },
};

const atropos: TokenWire = {
  name: "atropos",
  serverType: "atropos",
  path: "/generate",
  sessionHeader: "x-session-id",
  logprobKind: "raw",
  expectedBody: { prompt: { prompt_token_ids: inputIds }, ...vllmFields },
  promptOf: (body) => nested(body.prompt).prompt_token_ids,
  seedOf: (body) => body.seed,
  nOf: (body) => Number(body.n),
  answer: (samples, prompt) => ({
    text: samples.map(() => " Paris"),
    prompt: "The capital of France is",
    finish_reasons: samples.map(({ finish }) => finish),
    logprobs: samples.map(({ ids, logprobs }) =>
      logprobs.map((logprob, place) => [{ [String(ids[place] ?? 0)]: logprob }]),
    ),
    prompt_token_ids: prompt,
    token_ids: samples.map(({ ids }) => ids),
  }),
  withoutLogprobs: (answer) => strip(answer, ["logprobs"]),
  contextFull: vllmGenerate.contextFull,
  healthPath: "/health",
  versionPage: { path: "/bridge/info", body: { enabled: true, update_count: 4 }, version: "4" },
  lengthPages: [],
  tellsFinish: true,
  tellsStopString: false,
  samplesPerCall: { unseeded: 4, seeded: 4 },
};

export const tokenWires: readonly TokenWire[] = [
  vllmGenerate,
  vllmCompletions,
  sglang,
  llamacpp,
  trl,
  atropos,
];
