/** All of a pool that is about one kind of sandbox: those asked for with the same spec. */
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox, SandboxSpec } from "../../src/contracts/sandbox.ts";

export type Waiter = {
  /** Numbers all requests of the pool in the order in which they came. */
  readonly arrival: number;
  /** A warm slot is being looked at for this waiter: it needs no other meanwhile. */
  isOffered: boolean;
  take(sandbox: Sandbox): void;
  fail(error: unknown): void;
};

/** A failed creation is tried again after this long, then twice as long, and so on. */
const firstBackoffMs = 250;
const longestBackoffMs = 30_000;

export class SandboxKind {
  readonly key: string;
  readonly spec: SandboxSpec | undefined;
  /** Ready and never used, the oldest first. */
  readonly warm: Sandbox[] = [];
  /** Under way, the oldest first. */
  readonly creations = new Set<AbortController>();
  /** In the order of their arrival. */
  readonly waiters = new Set<Waiter>();
  /** Slots that are being proven for a waiter. */
  offers = 0;
  /** Creations that failed in a row; what was under way together counts once. */
  failures = 0;
  #isHopeless = false;
  #isResting = false;

  constructor(key: string, spec: SandboxSpec | undefined) {
    this.key = key;
    this.spec = spec;
  }

  /** Those who need a slot and have none in sight. */
  get queue(): Waiter[] {
    return [...this.waiters].filter(({ isOffered }) => !isOffered);
  }

  /** Slots that are ready, or under way with nobody waiting for them. */
  get supply(): number {
    return this.warm.length + Math.max(0, this.creations.size - this.queue.length);
  }

  get isUnused(): boolean {
    return this.warm.length + this.creations.size + this.waiters.size + this.offers === 0;
  }

  /**
   * After a failure the kind rests, and then one creation at a time tries again; but where trying again is no use,
   * those who ask are told right away.
   */
  mayCreate({ isAsked }: { isAsked: boolean }): boolean {
    if (this.failures === 0 || (isAsked && this.#isHopeless)) return true;
    return this.creations.size === 0 && !this.#isResting;
  }

  onSuccess(): void {
    this.failures = 0;
    this.#isResting = false;
  }

  /** Returns how long the kind must rest, in milliseconds, until `endRest`; undefined while it rests already. */
  onFailure(error: unknown): number | undefined {
    this.#isHopeless = error instanceof LachesisError && !error.retryable;
    if (this.#isResting) return undefined;
    this.#isResting = true;
    this.failures += 1;
    return Math.min(longestBackoffMs, firstBackoffMs * 2 ** (this.failures - 1));
  }

  endRest(): void {
    this.#isResting = false;
  }

  /** Those to tell of a failure: who waits longest; everybody, when it is the second in a row or no use. */
  get concerned(): Waiter[] {
    return this.failures === 1 && !this.#isHopeless ? this.queue.slice(0, 1) : this.queue;
  }
}

/** The same text for specs that ask for the same. */
export function kindKey(spec: SandboxSpec | undefined): string {
  const asked = Object.entries(spec ?? {}).filter(([, value]) => value !== undefined);
  return JSON.stringify(asked.sort(([a], [b]) => (a < b ? -1 : 1)));
}
