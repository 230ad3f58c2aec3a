/**
 * The 14 fields of a scored group in the order in which the wire has them. Both readers of groups work from
 * this one table: the byte scanner (group-scanner.ts) and the careful reader (group-reader.ts).
 */

export type FieldKind =
  /** Nested lists of integers or floats; `depth` 1 is a plain list. */
  | { type: "integers" | "floats"; depth: 1 | 2 | 3 }
  /** Lists of lists of messages: objects with `role` and `content`. */
  | { type: "messages" }
  | { type: "object" }
  | { type: "objects" }
  /** Any JSON. */
  | { type: "any" }
  /** An environment's id. */
  | { type: "id" };

export type GroupField = { name: string; kind: FieldKind; required: boolean };

/** The field that says how many sequences a group has, and how long each is. */
export const tokensField: GroupField = {
  name: "tokens",
  kind: { type: "integers", depth: 2 },
  required: true,
};

export const groupFields: readonly GroupField[] = [
  tokensField,
  { name: "masks", kind: { type: "integers", depth: 2 }, required: true },
  { name: "scores", kind: { type: "floats", depth: 1 }, required: true },
  { name: "advantages", kind: { type: "floats", depth: 2 }, required: false },
  { name: "ref_logprobs", kind: { type: "floats", depth: 2 }, required: false },
  { name: "messages", kind: { type: "messages" }, required: false },
  { name: "generation_params", kind: { type: "object" }, required: false },
  { name: "inference_logprobs", kind: { type: "floats", depth: 2 }, required: false },
  { name: "overrides", kind: { type: "objects" }, required: false },
  { name: "group_overrides", kind: { type: "object" }, required: false },
  { name: "images", kind: { type: "any" }, required: false },
  { name: "env_id", kind: { type: "id" }, required: false },
  { name: "distill_token_ids", kind: { type: "integers", depth: 3 }, required: false },
  { name: "distill_logprobs", kind: { type: "floats", depth: 3 }, required: false },
];

/** A group that passed validation, ready to be stored and served as it is. */
export type EncodedGroup = {
  /** Final JSON text (UTF-8): all 14 keys in order, null where unset. Never modified. */
  body: Buffer;
  /** Number of token sequences. */
  sequences: number;
  envId: number | null;
  /** The sender's own name for this group: what comes again under it is the same group. null = has none. */
  groupId: string | null;
  /** Whether `inference_logprobs` is set: some trainers stop where it is null. */
  hasLogprobs: boolean;
};
