/**
 * One TokenServer over one or more servers that speak token ids: shared out as chat calls are
 * (`server-pool.ts`), and a session's calls go to one server while that is healthy. Whatever server answers,
 * it is sent the same ids.
 */
import type { CallOptions } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { GenerateRequest, Generation, TokenServer } from "../contracts/token-server.ts";
import { createTokenServer } from "./create-inference-server.ts";
import type { TokenInferenceServer } from "./inference-server.ts";
import { resolveTokenizerName } from "./server-config.ts";
import { ServerPool, type ServerPoolOptions } from "./server-pool.ts";
import { tokenPart } from "./split-request.ts";

export class TokenServerManager extends ServerPool<TokenInferenceServer> implements TokenServer {
  /** The tokenizer that all its servers' ids are of. */
  readonly tokenizerName: string;

  /** Throws CONFIG_INVALID when there is no server, one that answers chat only, or two of different tokenizers. */
  constructor(options: ServerPoolOptions) {
    const [name = "", ...others] = new Set(options.servers.map(resolveTokenizerName));
    if (others.length > 0) {
      const message = `Servers that share rollouts have one tokenizer; got ${[name, ...others].join(", ")}.`;
      throw new LachesisError("CONFIG_INVALID", message, { hint: "Set tokenizer_name, to one for all." });
    }
    super(options, createTokenServer);
    this.tokenizerName = name;
  }

  async generate(request: GenerateRequest, { signal, split }: CallOptions): Promise<Generation[]> {
    const { sampling, sessionId: session } = request;
    const answers = await this.sample(
      {
        count: sampling.n,
        session,
        send: (server, part, options) => server.generate(tokenPart(request, part), options),
        countOf: (generations: Generation[]) => generations.length,
        isOneByOne: (server) => !server.samplesTogether(sampling),
      },
      { signal, split },
    );
    return answers.flat();
  }

  /** Each server's own word for its present weights, by base URL; null where it has none. */
  async weightVersions({
    signal,
  }: {
    signal: AbortSignal;
  }): Promise<{ baseUrl: string; version: string | null }[]> {
    return await Promise.all(
      this.servers.map(async (server) => ({
        baseUrl: server.baseUrl,
        version: await server.weightVersion({ signal }),
      })),
    );
  }

  /**
   * Tokens that prompt and answer may have together, on any of the servers; null when none tells. Rejects when one
   * that may tell is away.
   */
  async contextLength({ signal }: { signal: AbortSignal }): Promise<number | null> {
    const told = await Promise.all(this.servers.map((server) => server.contextLength({ signal })));
    const known = told.filter((length) => length !== null);
    return known.length === 0 ? null : Math.min(...known);
  }
}
