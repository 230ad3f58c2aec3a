/**
 * Owns what one rollout uses: its sandbox, its resources (a REPL, ...), its deadline. Each is made when first
 * asked for and disposed of in the reverse order of having become ready, whatever way the rollout ended. A
 * disposal that fails is logged and never hides how the rollout ended.
 */
import type { Logger } from "pino";
import type { TimeSplit } from "../agent/time-split.ts";
import { LachesisError } from "../contracts/errors.ts";
import { longestTimerMs } from "../contracts/longest-timer.ts";
import type {
  ChildRollouts,
  ResourceKey,
  RolloutContext,
  RolloutLimits,
} from "../contracts/rollout-context.ts";
import type { Sandbox, SandboxBackend, SandboxSpec } from "../contracts/sandbox.ts";
import type { Tool } from "../contracts/tool.ts";
import { Cancellation } from "./cancellation.ts";

export type RolloutContextOptions = {
  rolloutId: string;
  groupId: string;
  seed: number;
  /** Milliseconds since the epoch; Infinity = none. */
  deadlineMs: number;
  /** Cancels the rollout from outside. */
  signal: AbortSignal;
  logger: Logger;
  limits: RolloutLimits;
  /** Default: none. */
  tools?: readonly Tool[] | undefined;
  /** Given the context itself; default: the rollout has no children. */
  children?: ((context: RolloutContext) => ChildRollouts | null) | undefined;
  /** Where its sandbox comes from: a backend, or the rollout whose child this is, which goes on owning it. */
  backend: SandboxBackend | Pick<RolloutContext, "sandbox">;
  /** What the item asks of its sandbox. */
  sandboxSpec?: SandboxSpec | undefined;
  /** Gets the time of making and releasing the sandbox. */
  times?: TimeSplit | undefined;
};

export class EnvRolloutContext implements RolloutContext, AsyncDisposable {
  readonly rolloutId: string;
  readonly groupId: string;
  readonly seed: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly limits: RolloutLimits;
  readonly tools: readonly Tool[];
  readonly children: ChildRollouts | null;
  readonly #backend: RolloutContextOptions["backend"];
  readonly #sandboxSpec: SandboxSpec | undefined;
  readonly #times: TimeSplit | undefined;
  readonly #ending = new AbortController();
  readonly #deadlineTimer: NodeJS.Timeout | undefined;
  readonly #owned = new AsyncDisposableStack();
  readonly #resources = new Map<unknown, Promise<AsyncDisposable>>();
  readonly #pending = new Set<Promise<unknown>>();
  #sandbox: Promise<Sandbox> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: RolloutContextOptions) {
    this.rolloutId = options.rolloutId;
    this.groupId = options.groupId;
    this.seed = options.seed;
    this.deadlineMs = options.deadlineMs;
    this.limits = options.limits;
    this.logger = options.logger.child({ rolloutId: options.rolloutId, groupId: options.groupId });
    this.#backend = options.backend;
    this.#sandboxSpec = options.sandboxSpec;
    this.#times = options.times;
    this.tools = options.tools ?? [];
    this.signal = AbortSignal.any([options.signal, this.#ending.signal]);
    if (Number.isFinite(this.deadlineMs)) {
      const remainingMs = Math.min(Math.max(0, this.deadlineMs - Date.now()), longestTimerMs);
      this.#deadlineTimer = setTimeout(() => this.#ending.abort(new Cancellation("timeout")), remainingMs);
    }
    this.children = options.children?.(this) ?? null;
  }

  sandbox(): Promise<Sandbox> {
    const backend = this.#backend;
    if ("sandbox" in backend) return backend.sandbox();
    this.#sandbox ??= this.#own(() =>
      this.#timed(() =>
        backend.create({
          rolloutId: this.rolloutId,
          signal: this.signal,
          ...(this.#sandboxSpec !== undefined && { spec: this.#sandboxSpec }),
        }),
      ),
    );
    return this.#sandbox;
  }

  resource<T extends AsyncDisposable>(key: ResourceKey<T>): Promise<T> {
    const known = this.#resources.get(key);
    // Sound: only the line below stores under this key, and it stores what the key itself made.
    if (known !== undefined) return known as Promise<T>;
    const made = this.#own(() => key.create(this));
    this.#resources.set(key, made);
    return made;
  }

  /** Cancels what still runs for the rollout and lets go of all it owns. Never rejects. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #own<T extends AsyncDisposable>(create: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw new LachesisError("ROLLOUT_OVER", overMessage(this.rolloutId));
    this.signal.throwIfAborted();
    const creating = create();
    this.#pending.add(creating);
    try {
      return this.#owned.use(await creating);
    } finally {
      this.#pending.delete(creating);
    }
  }

  #timed<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#times === undefined ? work() : this.#times.during("sandbox", work);
  }

  async #close(): Promise<void> {
    clearTimeout(this.#deadlineTimer);
    this.#ending.abort(new LachesisError("ROLLOUT_OVER", overMessage(this.rolloutId)));
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
    try {
      await this.#timed(() => this.#owned.disposeAsync());
    } catch (error) {
      this.logger.error({ err: error }, "rollout-dispose-failed");
    }
  }
}

const overMessage = (rolloutId: string) =>
  `Rollout ${rolloutId} is over: its sandbox and resources can no longer be used.`;
