/** Calls what environments write themselves, and tells its mistakes from failures of sandboxes and servers. */
import { inspect } from "node:util";
import type { ChatMessage } from "../contracts/chat.ts";
import { LachesisError, toLachesisError } from "../contracts/errors.ts";
import { untilAborted } from "../contracts/until-aborted.ts";

const shownCharacters = 120;

/** A value of the environment's for a message: on one line, and short. */
export function inspected(value: unknown): string {
  const text = inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY });
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}

/** The text that the environment gave; throws where it gave something else. */
export function requireText(given: unknown): string {
  if (typeof given === "string") return given;
  throw new TypeError(`expected a text, got ${inspected(given)}`);
}

/** The conversation that it gave. Throws where it is none: a server would be asked with it as it is, and be blamed. */
export function requireMessages(given: unknown): ChatMessage[] {
  const wrong = (expected: string, got: unknown) =>
    new TypeError(`expected ${expected}, got ${inspected(got)}`);
  if (!isMessageList(given) || given.length === 0) throw wrong("a list of messages", given);
  for (const message of given) {
    if (typeof message !== "object" || message === null) throw wrong("a message", message);
    const { role, content } = message;
    if (!roles.has(role)) throw wrong(`one of the roles ${[...roles].join(", ")}`, message);
    // An answer of calls alone may leave it out.
    if (typeof content !== "string" && !((content ?? null) === null && role === "assistant"))
      throw wrong("a text as each message's content", message);
  }
  return given;
}

const roles: ReadonlySet<string> = new Set(["system", "user", "assistant", "tool"]);

function isMessageList(given: unknown): given is ChatMessage[] {
  return Array.isArray(given);
}

/** What `method` threw, under its name; a LachesisError, which names its own place, as it is. */
export function thrownBy(method: string, environment: string, thrown: unknown): LachesisError {
  return toLachesisError(thrown, "ENV_FAILED", `${method} of ${environment}`);
}

/** Runs what makes up a prompt; what it throws names the method. Whoever plays the item adds which it was. */
export function named<Result>(method: string, code: () => Result): Result {
  try {
    return code();
  } catch (thrown) {
    if (thrown instanceof LachesisError || thrown instanceof NamedError) throw thrown;
    throw new NamedError(`${method}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
      cause: thrown,
    });
  }
}

class NamedError extends Error {}

export class OwnCode {
  readonly #rolloutId: string;
  readonly #signal: AbortSignal;
  readonly #thrown = new WeakSet<LachesisError>();

  constructor({ rolloutId, signal }: { rolloutId: string; signal: AbortSignal }) {
    this.#rolloutId = rolloutId;
    this.#signal = signal;
  }

  /**
   * Rejects with ENV_FAILED where the code throws, with a retryable LachesisError as it is (a sandbox died under it),
   * or with the signal's reason.
   */
  async call<Result>(method: string, code: () => Promise<Result>): Promise<Result> {
    try {
      return await untilAborted(code(), this.#signal);
    } catch (thrown) {
      this.#signal.throwIfAborted();
      if (thrown instanceof LachesisError && thrown.retryable) throw thrown;
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      const message = `${method} of rollout ${this.#rolloutId} threw: ${reason}`;
      const error = new LachesisError("ENV_FAILED", message, { cause: thrown, retryable: true });
      this.#thrown.add(error);
      throw error;
    }
  }

  threw(error: LachesisError): boolean {
    return this.#thrown.has(error);
  }
}
