/**
 * The sandboxes that a pool has made and that no rollout has yet: makes them, watches over them, proves them, ends
 * them. Decides nothing: it tells of every change, and balance.ts says what to do next. `total` counts each sandbox
 * from the start of its creation until its disposal has settled, whoever has it.
 */
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox, SandboxBackend } from "../../src/contracts/sandbox.ts";
import { untilAborted } from "../../src/contracts/until-aborted.ts";
import type { PoolMetrics } from "./pool-metrics.ts";
import type { SandboxKind, Waiter } from "./sandbox-kind.ts";

export type SlotsOptions = {
  backend: SandboxBackend;
  /** A slot that was proven (or made) so lately is handed out as it is. */
  trustMs: number;
  metrics: PoolMetrics;
  /** Something changed that may let somebody go on. */
  onChange: () => void;
  /** A creation failed that nobody had aborted. */
  onFailure: (kind: SandboxKind, error: unknown) => void;
};

const probeTimeoutMs = 5_000;

export class Slots {
  readonly #options: SlotsOptions;
  readonly #closing = new AbortController();
  readonly #work = new Set<Promise<unknown>>();
  readonly #provenAtMs = new WeakMap<Sandbox, number>();
  #created = 0;
  total = 0;
  ending = 0;
  /** Being proven for a waiter. */
  offered = 0;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** Starts a creation for whoever will need it. */
  create(kind: SandboxKind): void {
    const controller = new AbortController();
    kind.creations.add(controller);
    this.total += 1;
    this.#track(this.#create(kind, controller));
  }

  /** Takes the newest creation of the kind back. It counts until it has come to its end. */
  cancelCreation(kind: SandboxKind): void {
    const newest = [...kind.creations].at(-1);
    if (newest === undefined) return;
    kind.creations.delete(newest);
    this.ending += 1;
    newest.abort(new LachesisError("SANDBOX_CLOSED", "Nobody needs this sandbox any more."));
  }

  /** Hands a slot to the waiter, who may leave while the slot still has to prove that it lives. */
  offer(kind: SandboxKind, waiter: Waiter, slot: Sandbox): void {
    const ageMs = performance.now() - (this.#provenAtMs.get(slot) ?? 0);
    if (slot.closed !== undefined && ageMs < this.#options.trustMs) {
      waiter.take(slot);
      return;
    }
    waiter.isOffered = true;
    kind.offers += 1;
    this.offered += 1;
    this.#track(this.#offer(kind, waiter, slot));
  }

  evict(kind: SandboxKind, slot: Sandbox): void {
    const index = kind.warm.indexOf(slot);
    if (index === -1) return;
    kind.warm.splice(index, 1);
    void this.end(slot).catch(() => {});
  }

  /** Disposes of a sandbox that a rollout or the pool had; rejects as the disposal does. */
  async end(sandbox: Sandbox): Promise<void> {
    const { metrics, onChange } = this.#options;
    this.ending += 1;
    const disposal = metrics.durations.destroy.time(async () => sandbox[Symbol.asyncDispose]());
    this.#track(disposal);
    try {
      await disposal;
    } catch (error) {
      metrics.destroyFailures += 1;
      throw error;
    } finally {
      this.ending -= 1;
      this.total -= 1;
      onChange();
    }
  }

  /** Settles when no creation, proof or disposal is under way. */
  async settled(signal?: AbortSignal): Promise<void> {
    while (this.#work.size > 0) {
      const all = Promise.allSettled(this.#work);
      await (signal === undefined ? all : untilAborted(all, signal));
    }
  }

  /** Ends all that no rollout has. Nothing may be started afterwards. */
  async close(kinds: Iterable<SandboxKind>): Promise<void> {
    this.#closing.abort(new LachesisError("SANDBOX_CLOSED", "The sandbox pool has been closed."));
    for (const kind of kinds) {
      while (kind.creations.size > 0) this.cancelCreation(kind);
      for (const slot of [...kind.warm]) this.evict(kind, slot);
    }
    await this.settled();
  }

  async #create(kind: SandboxKind, controller: AbortController): Promise<void> {
    const { backend, metrics, onChange, onFailure } = this.#options;
    const { signal } = controller;
    this.#created += 1;
    const request = { rolloutId: `pool-${this.#created}`, signal, ...(kind.spec && { spec: kind.spec }) };
    let slot: Sandbox;
    try {
      slot = await metrics.durations.create.time(async () => backend.create(request));
    } catch (error) {
      this.total -= 1;
      if (signal.aborted) this.ending -= 1;
      else {
        kind.creations.delete(controller);
        metrics.createFailures += 1;
        onFailure(kind, error);
      }
      onChange();
      return;
    }
    metrics.created += 1;
    kind.onSuccess();
    if (signal.aborted) {
      this.ending -= 1;
      await this.end(slot).catch(() => {});
      return;
    }
    kind.creations.delete(controller);
    this.#provenAtMs.set(slot, performance.now());
    const [waiter] = kind.queue;
    if (waiter === undefined) kind.warm.push(slot);
    else waiter.take(slot);
    void slot.closed?.then(() => this.#onEnded(kind, slot));
    onChange();
  }

  async #offer(kind: SandboxKind, waiter: Waiter, slot: Sandbox): Promise<void> {
    const isAlive = await this.#isAlive(slot);
    this.offered -= 1;
    kind.offers -= 1;
    waiter.isOffered = false;
    if (!isAlive || this.#closing.signal.aborted) {
      if (!this.#closing.signal.aborted) this.#options.metrics.evicted += 1;
      await this.end(slot).catch(() => {});
      return;
    }
    this.#provenAtMs.set(slot, performance.now());
    if (kind.waiters.has(waiter)) waiter.take(slot);
    else kind.warm.unshift(slot);
    this.#options.onChange();
  }

  /** Whatever the command ends with, also "not found": somebody inside answered. */
  async #isAlive(slot: Sandbox): Promise<boolean> {
    const { signal } = this.#closing;
    try {
      return !(await slot.exec({ argv: ["true"] }, { timeoutMs: probeTimeoutMs, signal })).timedOut;
    } catch {
      return false;
    }
  }

  #onEnded(kind: SandboxKind, slot: Sandbox): void {
    if (!kind.warm.includes(slot)) return;
    this.#options.metrics.evicted += 1;
    this.evict(kind, slot);
  }

  #track(work: Promise<unknown>): void {
    const settled = work.catch(() => {});
    this.#work.add(settled);
    void settled.then(() => this.#work.delete(settled));
  }
}
