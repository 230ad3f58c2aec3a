/** Which store `run-api` keeps its runs in, and what it says of one that already holds some. */
import { dirname, join } from "node:path";
import { InvalidArgumentError } from "commander";
import type { GroupStores } from "../rollout-api/group-store.ts";
import { MemoryStores } from "../rollout-api/memory-store.ts";
import { SqliteStores } from "../rollout-api/sqlite-store.ts";
import type { StoreOptions } from "../rollout-api/store-options.ts";
import { requireWritable } from "./run-directory.ts";

/** `path` undefined: the usual file in the run directory. */
export type StoreChoice = { kind: "memory" } | { kind: "sqlite"; path: string | undefined };

/** "memory", "sqlite" or "sqlite:PATH". */
export function parseStore(text: string): StoreChoice {
  if (text === "memory") return { kind: "memory" };
  const [, path] = /^sqlite(?::(.+))?$/.exec(text) ?? [undefined, null];
  if (path === null) throw new InvalidArgumentError('Expected "memory" or "sqlite:PATH".');
  return { kind: "sqlite", path };
}

export type OpenOptions = { runDirectory: string; sync: "normal" | "full"; options: StoreOptions };

/**
 * Opens the store, whose directory is made if missing; what an earlier process left in it goes on. Throws
 * OUTPUT_UNWRITABLE, or what SqliteStores.open throws.
 */
export async function openStores(choice: StoreChoice, options: OpenOptions): Promise<GroupStores> {
  if (choice.kind === "memory") return new MemoryStores(options.options);
  const path = storePath(choice, options.runDirectory);
  await requireWritable(dirname(path), "the store's directory");
  return SqliteStores.open({ ...options.options, path, sync: options.sync });
}

/** The store's file. */
export function storePath({ path }: StoreChoice & { kind: "sqlite" }, runDirectory: string): string {
  return path ?? join(runDirectory, "store.sqlite");
}

/** A warning about what a power cut took; undefined = nothing. */
export function describeLost(stores: GroupStores): string | undefined {
  const lost = stores instanceof SqliteStores ? stores.lostGroups : 0;
  if (lost === 0) return undefined;
  return `${counted(lost, "group")} had not reached the disk when the machine stopped: gone (--sync full waits for the disk)`;
}

/** One line about the runs that a store holds; undefined = it holds none. */
export async function describeFound(stores: GroupStores): Promise<string | undefined> {
  const found: string[] = [];
  for (const name of stores.names()) {
    const overview = await (await stores.run(name)).overview();
    const groups = overview.queuedGroups + overview.bufferedGroups;
    const batches = overview.waitingBatches + overview.openLeases;
    if (!overview.registered && groups === 0) continue;
    found.push(
      `run ${name} at step ${overview.currentStep} with ${counted(groups, "group")} queued and ` +
        `${counted(batches, "batch", "batches")} waiting`,
    );
  }
  return found.length === 0 ? undefined : found.join("; ");
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
