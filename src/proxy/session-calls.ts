/**
 * The model calls of one session. A request that comes again because its answer got lost is given that answer, once
 * it is there: were it sampled anew, the rollout would fork into a branch that the agent never saw. Which requests
 * are repetitions, docs/proxy.md tells.
 */
import { createHash } from "node:crypto";
import type { ChatCompletion, ChatMessage, ChatRequest } from "../contracts/chat.ts";
import { ProxyRefusal } from "./proxy-refusal.ts";

/** What a client says of a request's place among its attempts; null = nothing. */
export type CallHints = {
  /** Idempotency-Key. */
  idempotencyKey: string | null;
  /** X-Stainless-Retry-Count: the SDKs of OpenAI and Anthropic count their attempts from 0. */
  retryCount: number | null;
};

export type Answered = { completion: ChatCompletion; createdSeconds: number };

/** A place in the queue for an answer. */
export type Waiting = {
  answered: Promise<Answered>;
  /** To be told once: whether the whole answer went out before the connection ended. */
  leave(delivered: boolean): void;
};

export type SessionCallsOptions = {
  answer(chat: ChatRequest, signal: AbortSignal): Promise<ChatCompletion>;
  now: () => number;
  /** Requests that may wait at once. */
  maxWaiting: number;
  /** Time for which an answer that nobody waits for any longer goes on being sampled: a retry may come. */
  retryGraceMs: number;
};

type Call = {
  identity: string;
  conversation: string;
  idempotencyKey: string | null;
  answered: Promise<Answered>;
  abort: AbortController;
  state: "sampling" | "answered" | "failed";
  waiting: number;
  delivered: boolean;
  /** A later request went on from this call's conversation. */
  continued: boolean;
  grace?: NodeJS.Timeout;
};

/** Answers kept for repetitions; the oldest are forgotten first. */
const maxRemembered = 256;

export class SessionCalls {
  readonly #options: SessionCallsOptions;
  readonly #closing = new AbortController();
  #calls: Call[] = [];
  #waiting = 0;

  constructor(options: SessionCallsOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Joins the call that the request repeats, or begins one. Throws a 429 when too many wait already. */
  join(chat: ChatRequest, hints: CallHints): Waiting {
    this.#closing.signal.throwIfAborted();
    const conversations = conversationsOf(chat.messages);
    const conversation = conversations.at(-1) ?? "";
    const identity = digest(JSON.stringify({ ...chat, messages: conversation }));
    const earlier = new Set(conversations.slice(0, -1));
    for (const call of this.#calls) if (earlier.has(call.conversation)) call.continued = true;
    if (this.#waiting >= this.#options.maxWaiting) throw tooMany(this.#options.maxWaiting);
    const call = this.#repeated(identity, hints) ?? this.#begin(chat, { identity, conversation, hints });
    return this.#wait(call);
  }

  /** Breaks off what is being sampled and refuses what comes, both with this reason. Idempotent. */
  close(reason: ProxyRefusal): void {
    this.#closing.abort(reason);
    for (const { grace } of this.#calls) clearTimeout(grace);
  }

  #repeated(identity: string, hints: CallHints): Call | undefined {
    const same = this.#calls.filter((call) => call.identity === identity).toReversed();
    const [newest] = same;
    // What failed is tried again, also when the same was answered at another time before.
    if (newest === undefined || newest.state === "failed") return undefined;
    const lost = same.filter((call) => isLost(call));
    return [...lost, ...same].find((call) => call.state !== "failed" && isRepetition(call, hints));
  }

  #begin(chat: ChatRequest, known: { identity: string; conversation: string; hints: CallHints }): Call {
    const { answer, now } = this.#options;
    const { identity, conversation, hints } = known;
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.#closing.signal]);
    const answered = answer(chat, signal).then((completion) => ({
      completion,
      createdSeconds: Math.floor(now() / 1000),
    }));
    const call: Call = {
      identity,
      conversation,
      idempotencyKey: hints.idempotencyKey,
      answered,
      abort,
      state: "sampling",
      waiting: 0,
      delivered: false,
      continued: false,
    };
    answered.then(
      () => {
        call.state = "answered";
        clearTimeout(call.grace);
      },
      () => {
        call.state = "failed";
        clearTimeout(call.grace);
      },
    );
    this.#calls = [...this.#calls, call].slice(-maxRemembered);
    return call;
  }

  #wait(call: Call): Waiting {
    clearTimeout(call.grace);
    call.waiting += 1;
    this.#waiting += 1;
    let left = false;
    const leave = (delivered: boolean) => {
      if (left) return;
      left = true;
      call.waiting -= 1;
      this.#waiting -= 1;
      call.delivered ||= delivered;
      if (call.waiting === 0 && call.state === "sampling") this.#letGo(call);
    };
    return { answered: call.answered, leave };
  }

  #letGo(call: Call): void {
    const reason = new DOMException("The client hung up and did not come back.", "AbortError");
    call.grace = setTimeout(() => call.abort.abort(reason), this.#options.retryGraceMs);
    call.grace.unref();
  }
}

const isLost = ({ waiting, delivered }: Call): boolean => waiting === 0 && !delivered;

function isRepetition(call: Call, { idempotencyKey, retryCount }: CallHints): boolean {
  if (idempotencyKey !== null && call.idempotencyKey !== null) return idempotencyKey === call.idempotencyKey;
  if (retryCount !== null && retryCount > 0) return true;
  // An SDK's first attempt, while another's answer is under way or was read, wants an answer of its own.
  return isLost(call) || (retryCount === null && !call.continued);
}

/** A name for the first message, the first two, and so on. */
function conversationsOf(messages: readonly ChatMessage[]): string[] {
  const hash = createHash("sha256");
  return messages.map((message) => {
    hash.update(JSON.stringify(message)).update("\n");
    return hash.copy().digest("base64");
  });
}

const digest = (text: string): string => createHash("sha256").update(text).digest("base64");

function tooMany(limit: number): ProxyRefusal {
  return new ProxyRefusal({
    status: 429,
    type: "rate_limit_error",
    code: "too_many_requests",
    message: `This session has ${limit} requests in flight already.`,
    headers: { "retry-after": "1" },
  });
}
