/**
 * Runs groups, many at once, each from its item to its delivery. Items that must be played again wait in a
 * backlog that is served first come, first served, before new items are taken.
 *
 * `fill` only starts work. Work in flight ends by finishing, by its own timeout, or by the abort signal; a
 * lower target never cancels it. After failures of the machinery, starting pauses for a growing while.
 */
import { LachesisError, toLachesisError } from "../contracts/errors.ts";
import { longestTimerMs } from "../contracts/longest-timer.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import type { BaseEnv } from "./base-env.ts";
import { Cancellation, cancelledBy } from "./cancellation.ts";
import { deriveSeed } from "./derive-seed.ts";
import type { GroupContext, GroupFailure } from "./group.ts";
import type { GroupOrigin, PlayedItem } from "./group-origin.ts";
import { type GroupRules, judgeGroup } from "./group-rules.ts";

export type Delivery =
  | { result: "sent" | "written" }
  | { result: "dropped"; reason: string }
  /** Not wanted after all, e.g. by a filter: counts as skipped. */
  | { result: "skipped"; reason: string; detail: string };

export type GroupWorkersOptions<Item> = {
  env: BaseEnv<Item>;
  rules(): GroupRules;
  /** Hands a finished group on. It may wait as long as it must; a rejection ends the run. */
  deliver(group: ScoredGroup, groupId: string, played: PlayedItem): Promise<Delivery>;
  /** True for an item that an earlier run has done with; it keeps its number. May throw: that ends the run. */
  isSettled?(itemNumber: number, item: Item): boolean;
  /** Called when an item was played and its group skipped: it will not be played again. */
  onSkipped?(itemNumber: number, reason: string): Promise<void>;
  /** Cancels all work in flight at once. */
  abort: AbortSignal;
  /** Called after each end of a group, whatever it came to. */
  onSettled(): void;
};

type Task<Item> = { item: Item; itemNumber: number; attempt: number };

/** null = the environment's postprocessing dropped it. */
type CollectedGroup = { kind: "collected"; group: ScoredGroup | null; origin: GroupOrigin | null };

type GroupEnd = "sent" | "written" | "skipped" | "dropped";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

export class GroupWorkers<Item> {
  readonly #options: GroupWorkersOptions<Item>;
  readonly #backlog: Task<Item>[] = [];
  readonly #running = new Set<Promise<void>>();
  #itemsTaken = 0;
  #exhausted = false;
  #failuresInARow = 0;
  #skippedInARow = 0;
  #pauses = 0;
  #resumeAt = 0;
  #fatal: LachesisError | undefined;

  constructor(options: GroupWorkersOptions<Item>) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#running.size;
  }

  /** True when the environment had no more items when last asked, and none waits to be played again. */
  get exhausted(): boolean {
    return this.#exhausted && this.#backlog.length === 0;
  }

  /** Milliseconds until starting goes on after failures; 0 = it does. */
  get pausedForMs(): number {
    return Math.max(0, this.#resumeAt - Date.now());
  }

  /**
   * Starts groups until `target` are in flight or no item is to be had. Throws what ended the run: an
   * item source or a delivery that failed, or too many failed or skipped groups in a row.
   */
  async fill(target: number, stop: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#fatal !== undefined) throw this.#fatal;
      if (this.inFlight >= target || stop.aborted || this.pausedForMs > 0) return;
      const task = this.#backlog.shift() ?? (await this.#nextTask(stop));
      if (task === null) return;
      this.#start(task);
    }
  }

  /** Waits for all work in flight. Throws what `fill` would throw. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#fatal !== undefined) throw this.#fatal;
  }

  async #nextTask(stop: AbortSignal): Promise<Task<Item> | null> {
    try {
      for (;;) {
        const item = await untilAborted(this.#options.env.getNextItem({ signal: stop }), stop);
        this.#exhausted = item === null;
        if (item === null) return null;
        const itemNumber = this.#itemsTaken++;
        if (this.#options.isSettled?.(itemNumber, item) !== true) return { item, itemNumber, attempt: 0 };
      }
    } catch (thrown) {
      if (stop.aborted) return null;
      throw toLachesisError(thrown, "ENV_FAILED", `getNextItem of ${this.#options.env.name}`);
    }
  }

  #start(task: Task<Item>): void {
    const running = this.#work(task)
      .catch((thrown: unknown) => {
        this.#fatal ??= toLachesisError(thrown, "INTERNAL", `group of item ${task.itemNumber}`);
      })
      .finally(() => {
        this.#running.delete(running);
        this.#options.onSettled();
      });
    this.#running.add(running);
  }

  async #work(task: Task<Item>): Promise<void> {
    const { env, rules, deliver, abort } = this.#options;
    const groupId = `g${task.itemNumber}${task.attempt === 0 ? "" : `-r${task.attempt}`}`;
    const result = await this.#collect(task, groupId);
    if (result === null) return;
    if (result.kind === "failed") return this.#onFailure(task, groupId, result);

    this.#failuresInARow = 0;
    this.#pauses = 0;
    const { group } = result;
    if (group === null) {
      return this.#onSkip(task, groupId, [], "postprocess", "postprocessGroup dropped it");
    }
    const verdict = judgeGroup(group, rules());
    if (!verdict.fit) {
      env.services.logger.info({ groupId, ...verdict }, "group-skipped");
      return this.#onSkip(task, groupId, group.scores, verdict.reason, verdict.detail);
    }
    if (abort.aborted) return this.#end(groupId, group.scores, "dropped", cancelledBy(abort));
    const { item, itemNumber, attempt } = task;
    const seed = this.#seedOf(task);
    const played = { itemNumber, attempt, seed, groupId, item, origin: result.origin };
    const delivery = await deliver(group, groupId, played);
    if (delivery.result === "skipped") {
      return this.#onSkip(task, groupId, group.scores, delivery.reason, delivery.detail);
    }
    this.#skippedInARow = 0;
    this.#end(groupId, group.scores, delivery.result, "reason" in delivery ? delivery.reason : undefined);
  }

  /** null = the group was cancelled, and what follows from that is done. */
  async #collect(task: Task<Item>, groupId: string): Promise<CollectedGroup | GroupFailure | null> {
    const { env, rules, abort } = this.#options;
    const { worker_timeout: timeoutSeconds } = env.config;
    const timeoutMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 : Number.POSITIVE_INFINITY;
    const timeout = new AbortController();
    const timer = setTimeoutIfFinite(() => timeout.abort(new Cancellation("timeout")), timeoutMs);
    const signal = AbortSignal.any([abort, timeout.signal]);
    const context: GroupContext = {
      groupId,
      seed: this.#seedOf(task),
      signal,
      deadlineMs: Date.now() + timeoutMs,
      logger: env.services.logger.child({ groupId }),
      maxTokenLength: rules().maxTokenLength,
      maxSequences: rules().maxSequences,
    };
    const collect = async (): Promise<CollectedGroup | GroupFailure> => {
      const result = await env.collectGroup(task.item, context);
      if (result.kind === "failed") return result;
      const group = await env.postprocessGroup(result.group, task.item);
      return { kind: "collected", group, origin: result.origin ?? null };
    };
    try {
      return await untilAborted(collect(), signal);
    } catch (thrown) {
      if (abort.aborted) {
        this.#end(groupId, [], "dropped", cancelledBy(abort));
        return null;
      }
      if (thrown instanceof Cancellation) {
        const reason = this.#requeue(task) ? `${thrown.by}, to be tried again` : thrown.by;
        this.#end(groupId, [], "dropped", reason);
        const message = `not done within env.worker_timeout (${timeoutSeconds} s)`;
        this.#countFailure(thrown.by, { message });
        return null;
      }
      const error =
        thrown instanceof LachesisError
          ? thrown
          : new LachesisError("ENV_FAILED", `${env.name}, item ${task.itemNumber}: ${messageOf(thrown)}`, {
              cause: thrown,
              retryable: true,
            });
      return { kind: "failed", stage: "environment", error, retryable: error.retryable };
    } finally {
      clearTimeout(timer);
    }
  }

  #onFailure(task: Task<Item>, groupId: string, { stage, error, retryable }: GroupFailure): void {
    const { env } = this.#options;
    if (this.pausedForMs === 0) {
      this.#resumeAt = Date.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#pauses);
      this.#pauses += 1;
      env.services.events.emit("notice", {
        level: "warn",
        code: error.code,
        message: `A group failed (${stage}): ${error.message}`,
      });
    }
    const again = retryable && this.#requeue(task);
    env.services.logger.warn({ groupId, stage, code: error.code, again, err: error }, "group-failed");
    this.#end(groupId, [], "dropped", again ? `${stage} failed, to be tried again` : `${stage} failed`);
    this.#countFailure(stage, { message: error.message, hint: error.hint, cause: error });
  }

  /** Ends the run when too many groups in a row came to nothing. */
  #countFailure(
    stage: string,
    last: { message: string; hint?: string | undefined; cause?: LachesisError },
  ): void {
    this.#failuresInARow += 1;
    const limit = this.#options.env.config.max_failed_groups;
    if (limit === 0 || this.#failuresInARow < limit) return;
    const groups = this.#failuresInARow === 1 ? "1 group" : `${this.#failuresInARow} groups in a row`;
    const message = `${groups} failed (${stage}); the last: ${last.message}`;
    const hint = last.hint === undefined ? {} : { hint: last.hint };
    this.#fatal ??= new LachesisError("ROLLOUTS_KEEP_FAILING", message, { ...hint, cause: last.cause });
  }

  /** Ends the run when too many groups in a row came to nothing: each was paid for, and none is to show. */
  async #onSkip(
    { itemNumber }: Task<Item>,
    groupId: string,
    scores: readonly number[],
    reason: string,
    detail: string,
  ): Promise<void> {
    await this.#options.onSkipped?.(itemNumber, reason);
    this.#end(groupId, scores, "skipped", reason);
    this.#skippedInARow += 1;
    const limit = this.#options.env.config.max_skipped_groups;
    if (limit === 0 || this.#skippedInARow < limit) return;
    const groups = limit === 1 ? "1 group was" : `${limit} groups in a row were`;
    const message = `${groups} played and skipped (${reason}); the last: ${detail}.`;
    this.#fatal ??= new LachesisError("GROUPS_KEEP_BEING_SKIPPED", message);
  }

  #seedOf({ itemNumber, attempt }: Task<Item>): number {
    return deriveSeed(this.#options.env.config.seed, "group", itemNumber, attempt);
  }

  /** Puts the item at the end of the backlog, unless it had its tries. */
  #requeue(task: Task<Item>): boolean {
    if (task.attempt >= this.#options.env.config.rollout_retries) return false;
    this.#backlog.push({ ...task, attempt: task.attempt + 1 });
    return true;
  }

  #end(groupId: string, scores: readonly number[], result: GroupEnd, reason?: string): void {
    const because = reason === undefined ? {} : { reason };
    this.#options.env.services.events.emit("group-end", { groupId, scores, result, ...because });
  }
}

function setTimeoutIfFinite(act: () => void, delayMs: number): NodeJS.Timeout | undefined {
  return Number.isFinite(delayMs) ? setTimeout(act, Math.min(delayMs, longestTimerMs)) : undefined;
}

const messageOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown));
