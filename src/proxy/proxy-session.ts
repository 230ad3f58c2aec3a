/** One rollout that a foreign agent plays: its model calls, and the tokens that they leave behind. */
import type { ChatRequest } from "../contracts/chat.ts";
import type { ManagedServer } from "../inference/managed-server.ts";
import { CallMemory } from "./call-memory.ts";
import { ProxyRefusal } from "./proxy-refusal.ts";
import { ResponseMemory } from "./response-memory.ts";
import { type CallHints, SessionCalls, type Waiting } from "./session-calls.ts";

export type SessionLimits = {
  /** Time without a request after which a session is forgotten. */
  idleMs: number;
  /** Requests that may wait at once. */
  maxWaiting: number;
  /** See SessionCallsOptions. */
  retryGraceMs: number;
};

export type ProxySessionOptions = {
  id: string;
  managed: ManagedServer;
  limits: SessionLimits;
  now: () => number;
};

export class ProxySession {
  readonly id: string;
  readonly managed: ManagedServer;
  readonly createdMs: number;
  readonly callMemory = new CallMemory();
  readonly responses = new ResponseMemory();
  readonly #calls: SessionCalls;
  readonly #options: ProxySessionOptions;
  #lastUsedMs: number;
  #closed: ProxyRefusal | null = null;

  constructor(options: ProxySessionOptions) {
    const { id, managed, limits, now } = options;
    this.#options = options;
    this.id = id;
    this.managed = managed;
    this.createdMs = now();
    this.#lastUsedMs = this.createdMs;
    this.#calls = new SessionCalls({
      now,
      maxWaiting: limits.maxWaiting,
      retryGraceMs: limits.retryGraceMs,
      answer: async (chat, signal) => {
        const completion = await managed.chatCompletion(chat, { signal });
        for (const { message } of completion.choices) this.callMemory.remember(message);
        return completion;
      },
    });
  }

  /** Requests that wait for their answer. */
  get waiting(): number {
    return this.#calls.waiting;
  }

  get isClosed(): boolean {
    return this.#closed !== null;
  }

  /** When it will be forgotten if nothing is asked any more; while something is, it stays. */
  get expiresMs(): number {
    return this.waiting > 0 ? Number.POSITIVE_INFINITY : this.#lastUsedMs + this.#options.limits.idleMs;
  }

  /** Asks the model, or joins the call that this request repeats. Throws a ProxyRefusal when closed or too busy. */
  ask(chat: ChatRequest, hints: CallHints): Waiting {
    this.touch();
    if (this.#closed !== null) throw this.#closed;
    const { answered, leave } = this.#calls.join(chat, hints);
    return {
      answered,
      leave: (delivered) => {
        this.touch();
        leave(delivered);
      },
    };
  }

  touch(): void {
    this.#lastUsedMs = this.#options.now();
  }

  /** Ends the rollout: what is being sampled is broken off, what was recorded stays. Idempotent. */
  close(why: string): void {
    if (this.#closed !== null) return;
    this.#closed = new ProxyRefusal({
      status: 403,
      type: "permission_error",
      code: "session_closed",
      message: `This session is over: ${why}.`,
    });
    this.#calls.close(this.#closed);
  }
}
