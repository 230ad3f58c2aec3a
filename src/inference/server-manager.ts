/** One ChatServer over one or more OpenAI-compatible servers. How calls are shared out: `server-pool.ts`. */
import type { CallOptions, ChatCompletion, ChatRequest, ChatServer } from "../contracts/chat.ts";
import { createInferenceServer } from "./create-inference-server.ts";
import type { InferenceServer } from "./inference-server.ts";
import { ServerPool, type ServerPoolOptions } from "./server-pool.ts";
import { chatPart, mergeCompletions } from "./split-request.ts";

export type ServerManagerOptions = ServerPoolOptions;

export class ServerManager extends ServerPool<InferenceServer> implements ChatServer {
  /** Throws CONFIG_INVALID when there is no server, or one whose `server_type` answers no chat. */
  constructor(options: ServerManagerOptions) {
    super(options, createInferenceServer);
  }

  async chatCompletion(request: ChatRequest, { signal, split }: CallOptions): Promise<ChatCompletion> {
    const answers = await this.sample(
      {
        count: request.n ?? 1,
        send: (server, part, options) => server.complete(chatPart(request, part), options),
        countOf: ({ choices }) => choices.length,
      },
      { signal, split },
    );
    return mergeCompletions(answers);
  }
}
