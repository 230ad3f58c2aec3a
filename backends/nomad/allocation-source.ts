/** Where a sandbox's allocation comes from: a job of its own, or an adopted job's count. */
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import type { Allocation } from "./nomad-schemas.ts";

/** A running allocation that is one sandbox's alone. */
export type Place = {
  allocation: Allocation;
  task: string;
  driver: string;
  /** Stops the allocation and settles when nothing of it runs; tries for a while, then gives up; never rejects. */
  release: () => Promise<void>;
};

export interface AllocationSource {
  /** Rejects with a LachesisError or the signal's reason, and then leaves nothing behind. */
  acquire(request: { sandboxId: string; spec: SandboxSpec | undefined; signal: AbortSignal }): Promise<Place>;
  /** Gives back what was taken from the cluster beyond single allocations; never rejects. */
  close(): Promise<void>;
}
