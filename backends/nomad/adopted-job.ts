/**
 * A job that exists already: its allocations become sandboxes, each for one rollout only, and its count follows
 * the demand.
 *
 * Invariants:
 * - Whoever makes the directory `.lachesis-claim` in an allocation's task directory owns it;
 *   mkdir is atomic, so several processes may adopt the same job. A used allocation is stopped, and Nomad puts a
 *   fresh one in its place. What a dead process claimed is stopped by the next one that meets it.
 * - Scaled down, Nomad stops the allocations with the highest indexes. So low ones are taken first, and before a
 *   count is lowered, everything above it is claimed: what somebody else uses is never scaled away.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { ownerState } from "../owner-mark.ts";
import { requireSupported } from "../require-supported.ts";
import { startFailed } from "../supervisor/open-supervised-sandbox.ts";
import type { AllocationSource, Place } from "./allocation-source.ts";
import { describeAllocation, isOver } from "./describe-failure.ts";
import { runInAllocation } from "./exec-session.ts";
import type { NomadApi } from "./nomad-api.ts";
import type { NomadConfig } from "./nomad-config.ts";
import { type Allocation, allocations, job as jobSchema } from "./nomad-schemas.ts";
import { stopAllocation } from "./release-allocation.ts";
import { requireWalls } from "./require-walls.ts";

type Adopted = { group: string; task: string; driver: string; count: number };
type Request = Parameters<AllocationSource["acquire"]>[0];

const watchSeconds = 5;
const scaleTimeoutMs = 30_000;
/** Prints the mark of who owns the allocation: ours when we are first. */
const claimScript = `claim="$\{NOMAD_TASK_DIR:-/tmp}/.lachesis-claim"
mkdir "$claim" 2>/dev/null && printf %s "$1" > "$claim/owner"
cat "$claim/owner"`;

export class AdoptedJob implements AllocationSource {
  readonly #api: NomadApi;
  readonly #config: NomadConfig;
  /** Who of all processes and backends of a process claims: our process' mark and a random part. */
  readonly #claimant: string;
  readonly #path: string;
  /** Allocations that were claimed, by us or by others. */
  readonly #claimed = new Set<string>();
  /** Of these, what an acquisition that still counts as waiting is about to get. */
  readonly #claiming = new Set<string>();
  #waiting = 0;
  /** While a count is being lowered, nothing from this index on is taken. */
  #ceiling = Number.POSITIVE_INFINITY;
  #scaling: Promise<unknown> = Promise.resolve();
  #idle: NodeJS.Timeout | undefined;
  #adopted: Promise<Adopted> | undefined;
  #isClosed = false;

  constructor(api: NomadApi, config: NomadConfig & { job: string }, owner: string) {
    this.#api = api;
    this.#config = config;
    this.#claimant = `${owner}-${randomBytes(6).toString("hex")}`;
    this.#path = `/v1/job/${encodeURIComponent(config.job)}`;
  }

  async acquire({ sandboxId, spec, signal }: Request): Promise<Place> {
    requireSupported("nomad, which adopted a job,", spec, ["workspace"]);
    const seconds = this.#config.start_timeout_seconds;
    const late = AbortSignal.timeout(seconds * 1_000);
    const either = AbortSignal.any([signal, late]);
    clearTimeout(this.#idle);
    this.#waiting += 1;
    let allocation: Allocation | undefined;
    try {
      const adopted = await this.#adopt(either);
      allocation = await this.#claimFree(adopted, sandboxId, either);
      const { ID } = allocation;
      const release = async () => {
        await stopAllocation(this.#api, ID);
        this.#awaitIdle();
      };
      return { allocation, task: adopted.task, driver: adopted.driver, release };
    } catch (error) {
      signal.throwIfAborted();
      if (!late.aborted || error instanceof LachesisError) throw error;
      throw startFailed(
        sandboxId,
        `no allocation of the job ${this.#config.job} was free within ${seconds} s`,
      );
    } finally {
      this.#waiting -= 1;
      if (allocation !== undefined) this.#claiming.delete(allocation.ID);
      this.#awaitIdle();
    }
  }

  /** Scales back to the count that was found. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    if (this.#adopted !== undefined) await this.#scaleDown().catch(() => {});
  }

  #adopt(signal: AbortSignal): Promise<Adopted> {
    this.#adopted ??= this.#find(signal).catch((error: unknown) => {
      this.#adopted = undefined;
      throw error;
    });
    return this.#adopted;
  }

  async #find(signal: AbortSignal): Promise<Adopted> {
    const { job: id, namespace, group: groupName, task: taskName } = this.#config;
    const found = await this.#api.find(this.#path, jobSchema, { signal });
    const named = `"${id}" in the namespace "${namespace}"`;
    if (found === undefined || found.Stop) {
      throw unavailable(
        `Nomad has no running job ${named}.`,
        "Run it, or leave `nomad_job` out: sandboxes then get jobs of their own.",
      );
    }
    const group = found.TaskGroups.find(({ Name }) => groupName === undefined || Name === groupName);
    const task = group?.Tasks.find(({ Name }) => taskName === undefined || Name === taskName);
    if (group === undefined || task === undefined) {
      const groups = found.TaskGroups.map(
        ({ Name, Tasks }) => `${Name} (${Tasks.map((one) => one.Name).join(", ")})`,
      );
      throw unavailable(`The job ${named} has no such group and task.`, `It has: ${groups.join("; ")}.`);
    }
    requireWalls(task.Driver, this.#config);
    return { group: group.Name, task: task.Name, driver: task.Driver, count: group.Count };
  }

  async #claimFree(adopted: Adopted, sandboxId: string, signal: AbortSignal): Promise<Allocation> {
    let index = 0;
    for (;;) {
      const { value, index: next } = await this.#api.watch(`${this.#path}/allocations`, allocations, {
        index,
        waitSeconds: watchSeconds,
        signal,
      });
      const group = value.filter(({ TaskGroup }) => TaskGroup === adopted.group);
      for (const free of this.#free(group)) {
        this.#claimed.add(free.ID);
        this.#claiming.add(free.ID);
        if (await this.#claim(free, adopted.task, signal)) return free;
        this.#claiming.delete(free.ID);
      }
      const live = group.filter((one) => !isOver(one));
      const busy = live.filter(({ ID }) => this.#claimed.has(ID) && !this.#claiming.has(ID)).length;
      await this.#scaleUp(adopted, busy + this.#waiting, signal);
      const newest = group.toSorted((one, two) => two.CreateIndex - one.CreateIndex)[0];
      if (live.length === 0 && newest?.ClientStatus === "failed") {
        throw startFailed(sandboxId, `every allocation failed; the last: ${describeAllocation(newest)}`);
      }
      index = next;
    }
  }

  #free(group: readonly Allocation[]): Allocation[] {
    return group
      .filter(({ ClientStatus, DesiredStatus }) => ClientStatus === "running" && DesiredStatus === "run")
      .filter((one) => !this.#claimed.has(one.ID) && indexOf(one) < this.#ceiling)
      .toSorted((one, two) => indexOf(one) - indexOf(two));
  }

  /** Whether the allocation is ours now. One whose owner is dead makes room for a fresh one. */
  async #claim(allocation: Allocation, task: string, signal: AbortSignal): Promise<boolean> {
    const target = { allocationId: allocation.ID, task };
    const argv = ["sh", "-c", claimScript, "sh", this.#claimant];
    try {
      const { output, exitCode } = await runInAllocation(this.#api, target, argv, signal);
      if (exitCode !== 0) return false;
      if (output === this.#claimant) return true;
      if ((await ownerState(output.split("-")[0] ?? "")) === "dead")
        void stopAllocation(this.#api, allocation.ID);
      return false;
    } catch (error) {
      // It may be ours now, and nobody will use it.
      void stopAllocation(this.#api, allocation.ID);
      throw error;
    }
  }

  #scaleUp(adopted: Adopted, demand: number, signal: AbortSignal): Promise<void> {
    const wanted = Math.min(demand, this.#config.max_count);
    return this.#alone(async () => {
      const count = await this.#count(adopted, signal);
      if (wanted > count) await this.#scale(adopted, wanted, "more sandboxes are wanted");
    });
  }

  #awaitIdle(): void {
    clearTimeout(this.#idle);
    if (this.#isClosed || this.#waiting > 0) return;
    const scaleDown = () => void this.#scaleDown().catch(() => {});
    this.#idle = setTimeout(scaleDown, this.#config.idle_seconds * 1_000).unref();
  }

  /** Lowers the count to what was found, or to the highest index in use. */
  async #scaleDown(): Promise<void> {
    const signal = AbortSignal.timeout(scaleTimeoutMs);
    const adopted = await this.#adopt(signal);
    await this.#alone(async () => {
      const count = await this.#count(adopted, signal);
      if (count <= adopted.count) return;
      this.#ceiling = adopted.count;
      try {
        const group = await this.#api.get(`${this.#path}/allocations`, allocations, { signal });
        const live = group.filter((one) => one.TaskGroup === adopted.group && !isOver(one));
        let target = adopted.count;
        const spare: string[] = [];
        // Nobody can have claimed what does not run yet.
        const running = live.filter(({ ClientStatus }) => ClientStatus === "running");
        for (const one of running.filter((each) => indexOf(each) >= adopted.count)) {
          const isOurs = !this.#claimed.has(one.ID) && (await this.#claim(one, adopted.task, signal));
          this.#claimed.add(one.ID);
          if (isOurs) spare.push(one.ID);
          else if (one.DesiredStatus === "run") target = Math.max(target, indexOf(one) + 1);
        }
        if (target < count) await this.#scale(adopted, target, "sandboxes are idle");
        const below = live.filter((one) => spare.includes(one.ID) && indexOf(one) < target);
        await Promise.all(below.map(({ ID }) => stopAllocation(this.#api, ID)));
      } finally {
        this.#ceiling = Number.POSITIVE_INFINITY;
      }
    });
  }

  /** One change of the count after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#scaling.then(work);
    this.#scaling = result.catch(() => {});
    return result;
  }

  async #count({ group }: Adopted, signal: AbortSignal): Promise<number> {
    const { TaskGroups } = await this.#api.get(this.#path, jobSchema, { signal });
    return TaskGroups.find(({ Name }) => Name === group)?.Count ?? 0;
  }

  async #scale({ group }: Adopted, count: number, why: string): Promise<void> {
    await this.#api.send("POST", `${this.#path}/scale`, z.unknown(), {
      body: { Count: count, Target: { Group: group }, Message: `lachesis: ${why}` },
      signal: AbortSignal.timeout(scaleTimeoutMs),
    });
  }
}

/** The index in `job.group[index]`. */
function indexOf({ Name }: Allocation): number {
  return Number(/\[(\d+)\]$/.exec(Name)?.[1] ?? 0);
}

function unavailable(message: string, hint: string): LachesisError {
  return new LachesisError("SANDBOX_UNAVAILABLE", message, { hint });
}
