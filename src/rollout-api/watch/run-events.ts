/**
 * What happens in the runs of a server, told after it happened: metrics, log and page are made from it.
 * Observers must not throw and must not wait.
 */
import type { EnvRequest, Registration } from "../group-store.ts";
import type { ExampleSequence } from "./example-text.ts";

export type GroupReceived = {
  /** Name of its environment in the run; null = of none that is known. */
  env: string | null;
  sequences: number;
  bytes: number;
  scores: readonly number[];
  /** Now and then a group comes with its text, for people to look at. */
  text: readonly ExampleSequence[] | null;
};

export type GroupServed = {
  env: string | null;
  sequences: number;
  /** How long ago it came, milliseconds. */
  ageMs: number;
  /** Steps of the trainer since it was sampled (`since: "sampling"`), or at least since it came. */
  staleness: { steps: number; since: "sampling" | "arrival" };
};

export type BatchServed = {
  leaseId: string;
  /** The trainer's step that it trains. */
  step: number;
  groups: readonly GroupServed[];
  bytes: number;
  scores: readonly number[];
};

export type RunEvent =
  /** With what the run was opened: at a second registration that of the first. */
  | { kind: "registered"; registration: Registration }
  | { kind: "env-joined"; envId: number; env: string; request: EnvRequest }
  | { kind: "env-left"; envId: number; env: string }
  | { kind: "env-stale"; envId: number; env: string; silentMs: number }
  | { kind: "env-back"; envId: number; env: string }
  /** Groups that came again under their ids are among them. */
  | { kind: "groups-received"; groups: readonly GroupReceived[] }
  | { kind: "groups-refused"; reason: "queue_full" | "unpackable"; groups: number; detail: string }
  | { kind: "batch-served"; batch: BatchServed }
  /** `known` false: the lease was unknown or over. */
  | { kind: "lease-settled"; leaseId: string; how: "taken" | "returned"; known: boolean }
  | { kind: "reset" };

export interface RunObserver {
  observe(run: string, event: RunEvent): void;
}
