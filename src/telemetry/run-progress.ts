/**
 * Adds a run's events up into the numbers that progress views and the final summary show. It only counts;
 * what a view makes of the numbers is its own affair.
 */
import type { EventBus } from "./events.ts";

/** Seconds that rates and recent means look back on. */
const windowSeconds = 30;

export type ProgressSnapshot = {
  elapsedMs: number;
  groups: { sent: number; written: number; skipped: number; dropped: number };
  /** Why groups were skipped or dropped, with counts. */
  groupReasons: ReadonlyMap<string, number>;
  rollouts: { running: number; scored: number; failed: number; cancelled: number };
  /** Error codes of failures of the machinery, with counts. */
  failures: ReadonlyMap<string, number>;
  toolCalls: number;
  toolErrors: number;
  turns: number;
  /** Mean reward of all scored training rollouts; undefined before the first. */
  meanReward: number | undefined;
  /** Scored rollouts that `meanReward` is of: those of evaluations are not among them. */
  rewarded: number;
  /** The same over the last seconds. */
  recentMeanReward: number | undefined;
  meanTurns: number | undefined;
  /** Groups handed on (sent or written) per second, over the last seconds. */
  groupsPerSecond: number;
  rolloutsPerSecond: number;
  /** `total` is known once an evaluation has begun. */
  evaluation: {
    items: number;
    total: number | undefined;
    meanScore: number | undefined;
    itemsPerSecond: number;
  };
  /** serve: the trainer's state; `stepsPerSecond` is the mean since the first status. */
  server: { step: number; queueSize: number; stepsPerSecond: number } | undefined;
};

/** Sums of one clock second; a view's rate is made of the last `windowSeconds` of them. */
type Second = { at: number; groups: number; rollouts: number; items: number; reward: number; scored: number };

export class RunProgress implements Disposable {
  readonly #clock: () => number;
  readonly #startedAt: number;
  readonly #stopListening: (() => void)[];
  readonly #groups = { sent: 0, written: 0, skipped: 0, dropped: 0 };
  readonly #groupReasons = new Map<string, number>();
  readonly #rollouts = { running: 0, scored: 0, failed: 0, cancelled: 0 };
  readonly #failures = new Map<string, number>();
  readonly #seconds: Second[] = [];
  #tools = { calls: 0, errors: 0 };
  #reward = { sum: 0, count: 0 };
  #turns = { total: 0, ofScored: 0 };
  #evaluation = { items: 0, sum: 0, scored: 0 };
  #evaluationTotal: number | undefined;
  #server: { step: number; queueSize: number; firstStep: number; since: number } | undefined;

  constructor({ events, clock = Date.now }: { events: EventBus; clock?: () => number }) {
    this.#clock = clock;
    this.#startedAt = clock();
    this.#stopListening = [
      events.on("rollout-start", () => {
        this.#rollouts.running += 1;
      }),
      events.on("turn-end", () => {
        this.#turns.total += 1;
      }),
      events.on("tool-end", ({ ok }) => {
        this.#tools.calls += 1;
        if (!ok) this.#tools.errors += 1;
      }),
      events.on("rollout-end", ({ outcome, turns, split }) => {
        this.#rollouts.running -= 1;
        const second = this.#thisSecond();
        second.rollouts += 1;
        if (outcome.kind === "infra-failed") {
          this.#rollouts.failed += 1;
          increase(this.#failures, outcome.error.code);
        } else if (outcome.kind === "cancelled") {
          this.#rollouts.cancelled += 1;
        } else {
          this.#rollouts.scored += 1;
          this.#turns.ofScored += turns;
          if (split === "eval") return;
          this.#reward = { sum: this.#reward.sum + outcome.reward, count: this.#reward.count + 1 };
          second.reward += outcome.reward;
          second.scored += 1;
        }
      }),
      events.on("group-end", ({ result, reason }) => {
        this.#groups[result] += 1;
        if (result === "sent" || result === "written") this.#thisSecond().groups += 1;
        else increase(this.#groupReasons, reason ?? result);
      }),
      events.on("server-status", (status) => {
        const { firstStep, since } = this.#server ?? { firstStep: status.step, since: this.#clock() };
        this.#server = { ...status, firstStep, since };
      }),
      events.on("eval-start", ({ items }) => {
        this.#evaluationTotal = items;
        this.#evaluation = { items: 0, sum: 0, scored: 0 };
      }),
      events.on("eval-item", ({ score }) => {
        this.#evaluation.items += 1;
        this.#thisSecond().items += 1;
        if (score === null) return;
        this.#evaluation.sum += score;
        this.#evaluation.scored += 1;
      }),
    ];
  }

  snapshot(): ProgressSnapshot {
    const now = this.#clock();
    const recent = this.#recent(now);
    const total = (key: Exclude<keyof Second, "at">) => recent.reduce((sum, second) => sum + second[key], 0);
    const span = Math.max(1, Math.min(windowSeconds, (now - this.#startedAt) / 1000));
    const { items, sum, scored } = this.#evaluation;
    return {
      elapsedMs: now - this.#startedAt,
      groups: { ...this.#groups },
      groupReasons: new Map(this.#groupReasons),
      rollouts: { ...this.#rollouts },
      failures: new Map(this.#failures),
      toolCalls: this.#tools.calls,
      toolErrors: this.#tools.errors,
      turns: this.#turns.total,
      meanReward: ratio(this.#reward.sum, this.#reward.count),
      rewarded: this.#reward.count,
      recentMeanReward: ratio(total("reward"), total("scored")),
      meanTurns: ratio(this.#turns.ofScored, this.#rollouts.scored),
      groupsPerSecond: total("groups") / span,
      rolloutsPerSecond: total("rollouts") / span,
      evaluation: {
        items,
        total: this.#evaluationTotal,
        meanScore: ratio(sum, scored),
        itemsPerSecond: total("items") / span,
      },
      server: this.#server && {
        step: this.#server.step,
        queueSize: this.#server.queueSize,
        stepsPerSecond:
          (this.#server.step - this.#server.firstStep) / Math.max(1, (now - this.#server.since) / 1000),
      },
    };
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stopListening) stop();
  }

  #thisSecond(): Second {
    const at = Math.floor(this.#clock() / 1000);
    const last = this.#seconds.at(-1);
    if (last?.at === at) return last;
    const second: Second = { at, groups: 0, rollouts: 0, items: 0, reward: 0, scored: 0 };
    this.#seconds.push(second);
    if (this.#seconds.length > windowSeconds * 2) this.#seconds.splice(0, windowSeconds);
    return second;
  }

  #recent(now: number): Second[] {
    const from = Math.floor(now / 1000) - windowSeconds;
    return this.#seconds.filter((second) => second.at > from);
  }
}

function increase(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function ratio(sum: number, count: number): number | undefined {
  return count === 0 ? undefined : sum / count;
}
