/** A rollout API without sockets, and what it says to JSON. */
import { gunzipSync } from "node:zlib";
import { createRolloutApi, type RolloutApiOptions } from "../../src/rollout-api/app.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import {
  compatStoreOptions,
  defaultStoreOptions,
  type StoreOptions,
} from "../../src/rollout-api/store-options.ts";

export const wireRegistration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 2,
  max_token_len: 128,
  checkpoint_dir: "ck",
  save_checkpoint_interval: 5,
  starting_step: 0,
  num_steps: 100,
};
export const wireEnv = { max_token_length: 128, desired_name: "e", weight: 1, group_size: 2 };
/** Two sequences; with `wireRegistration` a batch. */
export const wireGroup = { tokens: [[1], [2]], masks: [[1], [2]], scores: [0, 1] };

/** The group with a score that says which one it is. */
export function groupNumber(number: number) {
  return { ...wireGroup, scores: [number, 0] };
}

export type JsonAnswer = { status: number; headers: Record<string, unknown>; json: unknown; text: string };

export type TestApp = AsyncDisposable & {
  get(path: string, headers?: Record<string, string>): Promise<JsonAnswer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<JsonAnswer>;
  /** The first scores of a batch's groups; null = none is ready. */
  takeBatch(path?: string): Promise<number[] | null>;
};

export type TestAppOptions = Partial<RolloutApiOptions> & { store?: Partial<StoreOptions> };

/** Strict unless `compat`. */
export function startTestApp({ store = {}, ...options }: TestAppOptions = {}): TestApp {
  const storeOptions = options.compat ? compatStoreOptions : defaultStoreOptions;
  const app = createRolloutApi({ stores: new MemoryStores({ ...storeOptions, ...store }), ...options });
  const send = async (
    method: "GET" | "POST",
    url: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> },
  ): Promise<JsonAnswer> => {
    const payload = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const answer = await app.inject({
      method,
      url,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(payload !== undefined && { payload }),
    });
    const isZipped = answer.headers["content-encoding"] === "gzip";
    const text = (isZipped ? gunzipSync(answer.rawPayload) : answer.rawPayload).toString("utf8");
    const isJson = String(answer.headers["content-type"]).startsWith("application/json");
    return {
      status: answer.statusCode,
      headers: answer.headers,
      json: isJson ? JSON.parse(text) : undefined,
      text,
    };
  };
  return {
    get: (path, headers = {}) => send("GET", path, { headers }),
    post: (path, body, headers = {}) => send("POST", path, { body, headers }),
    async takeBatch(path = "/batch") {
      return firstScores((await send("GET", path, {})).json);
    },
    [Symbol.asyncDispose]: () => app.close(),
  };
}

/** The first scores of the groups of a /batch answer. */
export function firstScores(answer: unknown): number[] | null {
  const batch: unknown = Reflect.get(Object(answer), "batch");
  return Array.isArray(batch) ? batch.map((group) => Number(group.scores[0])) : null;
}
