/** What the server managers ask of one server, whatever its protocol. */
import type { ChatCompletion, ChatRequest } from "../contracts/chat.ts";
import type { LachesisError } from "../contracts/errors.ts";
import type { GenerateRequest, Generation, LogprobKind, Sampling } from "../contracts/token-server.ts";

export interface PoolableServer extends AsyncDisposable {
  /** Names the server in logs and messages. */
  readonly baseUrl: string;
  /** Null when the server is up (without making it generate), else why it is not. Never rejects. */
  probe(options: { signal: AbortSignal }): Promise<LachesisError | null>;
}

export interface InferenceServer extends PoolableServer {
  /**
   * One attempt, without retries. Answers as many choices as the server gave, which may be fewer than
   * `request.n`. Rejects with a ServerFailure, or with the signal's reason when aborted.
   */
  complete(request: ChatRequest, options: { signal: AbortSignal }): Promise<ChatCompletion>;
}

export interface TokenInferenceServer extends PoolableServer {
  /** What its log-probabilities are, if it runs as the configuration says. */
  readonly logprobKind: LogprobKind;
  /** False when these samples need a request each: the server knows no `n`, or gives all of them one seed. */
  samplesTogether(sampling: Sampling): boolean;
  /**
   * One attempt, without retries. Answers as many generations as the server gave, which may be fewer than
   * `sampling.n`. Rejects with a ServerFailure, with TOKEN_AUDIT_FAILED when what came can't be trained on, or
   * with the signal's reason when aborted.
   */
  generate(request: GenerateRequest, options: { signal: AbortSignal }): Promise<Generation[]>;
  /** The server's word for its present weights; null when it has none. Rejects as `generate` does. */
  weightVersion(options: { signal: AbortSignal }): Promise<string | null>;
  /** Tokens that prompt and answer may have together; null when the server doesn't tell. Rejects as `generate` does. */
  contextLength(options: { signal: AbortSignal }): Promise<number | null>;
}
