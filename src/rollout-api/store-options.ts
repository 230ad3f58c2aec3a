/** What every kind of store is told about the runs it keeps. */

/** The choices in which the original's way is not the only sensible one. */
export type RunBehaviour = {
  /** Which of several formed batches is served first. */
  batchOrder: "newest-first" | "oldest-first";
  /** See EnvStatusInput. */
  hidesOthersAmongSingles: boolean;
  /**
   * "packs": only full packs of one size make a batch, and sizes that don't add up wait for ever.
   * "exact": where packs fail, any combination that adds up leaves, and what never could is refused.
   */
  packing: "packs" | "exact";
};

/** Just as the Atropos server does it. */
export const atroposBehaviour: RunBehaviour = {
  batchOrder: "newest-first",
  hidesOthersAmongSingles: true,
  packing: "packs",
};

/** Fresh batches wait no longer than needed, and no group waits for ever. */
export const defaultBehaviour: RunBehaviour = {
  batchOrder: "oldest-first",
  hidesOthersAmongSingles: false,
  packing: "exact",
};

/** What a run may hold in all: queued, buffered, formed and leased groups. Infinity = no limit. */
export type QueueLimits = { maxQueueGroups: number; maxQueueBytes: number };

export type StoreOptions = {
  behaviour: RunBehaviour;
  limits: QueueLimits;
  /** After how long without a word an environment stops counting; null = never. */
  envTimeoutMs: number | null;
  /** `now` is in milliseconds since the epoch. */
  clock: { now(): number };
};

/** The default behaviour without limits: what an option left out means. */
export const defaultStoreOptions: StoreOptions = {
  behaviour: defaultBehaviour,
  limits: { maxQueueGroups: Number.POSITIVE_INFINITY, maxQueueBytes: Number.POSITIVE_INFINITY },
  envTimeoutMs: null,
  clock: { now: () => Date.now() },
};

/** The original's behaviour: newest batch first, no limits, and environments never go stale. */
export const compatStoreOptions: StoreOptions = { ...defaultStoreOptions, behaviour: atroposBehaviour };
