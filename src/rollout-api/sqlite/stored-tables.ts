/** The rows of a store file's tables but the bodies, in the order in which things came. Parse before use. */
export type StoredTables = Record<
  "runs" | "envs" | "groups" | "batches" | "settlements" | "groupNames" | "lastGroup",
  unknown[]
>;
