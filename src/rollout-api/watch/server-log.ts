/**
 * The server's log: one line for every batch, for every coming and going, and for what was refused, but of
 * refusals only so many: a client in a loop must not fill the disk.
 */
import type { Logger } from "pino";
import type { BatchServed, RunEvent, RunObserver } from "./run-events.ts";
import { meanOf } from "./run-history.ts";

/** One line per route and reason in this time; the next one says how many were left out. */
const REFUSAL_EVERY_MS = 10_000;
/** Routes and reasons are few; this only guards against a mistake. */
const MOST_KINDS = 256;

export type Refusal = { route: string; reason: string; status: number };

export class ServerLog implements RunObserver {
  readonly #logger: Logger;
  readonly #clock: { now(): number };
  readonly #refusals = new Map<string, { loggedAt: number; leftOut: number }>();

  constructor({ logger, clock }: { logger: Logger; clock: { now(): number } }) {
    this.#logger = logger;
    this.#clock = clock;
  }

  observe(run: string, event: RunEvent): void {
    switch (event.kind) {
      case "registered": {
        const { batchSize, startingStep, wandbProject, wandbGroup } = event.registration;
        this.#logger.info({ event: event.kind, run, batchSize, startingStep, wandbProject, wandbGroup });
        return;
      }
      case "env-joined": {
        const { envId, env, request } = event;
        const { weight, groupSize, minBatchAllocation } = request;
        this.#logger.info({ event: event.kind, run, envId, env, weight, groupSize, minBatchAllocation });
        return;
      }
      case "env-stale": {
        const { envId, env, silentMs } = event;
        this.#logger.warn({ event: event.kind, run, envId, env, silentMs });
        return;
      }
      case "env-left":
      case "env-back": {
        const { envId, env } = event;
        this.#logger.info({ event: event.kind, run, envId, env });
        return;
      }
      case "batch-served":
        this.#logger.info({ event: event.kind, run, ...summaryOf(event.batch) });
        return;
      case "lease-settled": {
        const { leaseId, how, known } = event;
        if (how === "returned" || !known) this.#logger.warn({ event: event.kind, run, leaseId, how, known });
        return;
      }
      case "groups-refused": {
        const { reason, groups, detail } = event;
        this.#limited(`${run} ${reason}`, { event: event.kind, run, reason, groups, detail });
        return;
      }
      case "reset":
        this.#logger.warn({ event: event.kind, run });
        return;
      case "groups-received":
        return;
      default:
        event satisfies never;
    }
  }

  refused({ route, reason, status }: Refusal): void {
    this.#limited(`${route} ${reason}`, { event: "request-refused", route, reason, status });
  }

  #limited(kind: string, line: object): void {
    const now = this.#clock.now();
    const before = this.#refusals.get(kind);
    if (before !== undefined && now - before.loggedAt < REFUSAL_EVERY_MS) {
      before.leftOut++;
      return;
    }
    if (this.#refusals.size >= MOST_KINDS) this.#refusals.clear();
    this.#refusals.set(kind, { loggedAt: now, leftOut: 0 });
    this.#logger.warn(before && before.leftOut > 0 ? { ...line, leftOut: before.leftOut } : line);
  }
}

function summaryOf({ leaseId, step, groups, bytes, scores }: BatchServed): object {
  const meanScore = meanOf(scores);
  const measured = groups.filter(({ staleness }) => staleness.since === "sampling").length;
  return {
    step,
    leaseId,
    groups: groups.length,
    sequences: groups.reduce((sum, { sequences }) => sum + sequences, 0),
    bytes,
    meanScore: meanScore === null ? null : Number(meanScore.toFixed(4)),
    oldestMs: Math.round(Math.max(0, ...groups.map(({ ageMs }) => ageMs))),
    stalestSteps: Math.max(0, ...groups.map(({ staleness }) => staleness.steps)),
    /** Groups whose staleness counts from sampling; that of the others from their arrival. */
    versionedGroups: measured,
  };
}
