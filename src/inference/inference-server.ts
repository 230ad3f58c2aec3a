/** What the ServerManager asks of one server, whatever its protocol. */
import type { ChatCompletion, ChatRequest } from "../contracts/chat.ts";
import type { LachesisError } from "../contracts/errors.ts";

export interface InferenceServer extends AsyncDisposable {
  /** Names the server in logs and messages. */
  readonly baseUrl: string;
  /**
   * One attempt, without retries. Answers as many choices as the server gave, which may be fewer than
   * `request.n`. Rejects with a ServerFailure, or with the signal's reason when aborted.
   */
  complete(request: ChatRequest, options: { signal: AbortSignal }): Promise<ChatCompletion>;
  /** Null when the server is up (without making it generate), else why it is not. Never rejects. */
  probe(options: { signal: AbortSignal }): Promise<LachesisError | null>;
}
