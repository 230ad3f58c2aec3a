/** One ChatServer over one or more OpenAI-compatible servers. How calls are shared out: `server-pool.ts`. */
import type { CallOptions, ChatCompletion, ChatRequest, ChatServer } from "../contracts/chat.ts";
import type { LachesisError } from "../contracts/errors.ts";
import { createInferenceServer } from "./create-inference-server.ts";
import type { InferenceServer } from "./inference-server.ts";
import { ServerPool, type ServerPoolOptions } from "./server-pool.ts";
import { chatPart, mergeCompletions } from "./split-request.ts";

export type ServerManagerOptions = ServerPoolOptions;

export class ServerManager implements ChatServer, AsyncDisposable {
  readonly #pool: ServerPool<InferenceServer>;

  /** Throws CONFIG_INVALID when there is no server, or one whose `server_type` answers no chat. */
  constructor(options: ServerManagerOptions) {
    this.#pool = new ServerPool(options, createInferenceServer);
  }

  async chatCompletion(request: ChatRequest, { signal, split }: CallOptions): Promise<ChatCompletion> {
    const answers = await this.#pool.sample(
      {
        count: request.n ?? 1,
        send: (server, part, options) => server.complete(chatPart(request, part), options),
        countOf: ({ choices }) => choices.length,
      },
      { signal, split },
    );
    return mergeCompletions(answers);
  }

  /** Share of the train slots to use, 0 to 1, as the rollout API weighs this environment; one slot stays. */
  setWeight(weight: number): void {
    this.#pool.setWeight(weight);
  }

  /** Atropos' names: `server/server_<i>_request_time_avg` and so on, times in seconds. */
  metrics(): Record<string, number> {
    return this.#pool.metrics();
  }

  /** Asks every server once whether it is up: what is wrong with those that are not, by base URL. */
  check(options: { signal: AbortSignal }): Promise<{ baseUrl: string; error: LachesisError | null }[]> {
    return this.#pool.check(options);
  }

  /** Breaks off what is in flight, turns away who waits, stops the probing and closes the connections. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
