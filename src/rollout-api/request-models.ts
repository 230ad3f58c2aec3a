/** The small request bodies: a trainer's and an environment's registration, and an environment's id. */
import type { EnvRequest, Registration } from "./group-store.ts";
import { entryOf, type JsonNode, type ObjectNode } from "./json/json-node.ts";
import {
  type Location,
  note,
  noteBound,
  type Problems,
  readFloat,
  readId,
  readInteger,
  readString,
} from "./validation.ts";

/** Makes a value of a body; undefined after noting its problems. */
export type ReadModel<Model> = (node: JsonNode, loc: Location, problems: Problems) => Model | undefined;

type ReadField<T> = (node: JsonNode, loc: Location, problems: Problems) => T | undefined;

/** Reads fields of one object, noting the problems of all of them before giving up. */
class FieldReader {
  readonly #node: ObjectNode;
  readonly #loc: Location;
  readonly #problems: Problems;

  constructor(node: ObjectNode, loc: Location, problems: Problems) {
    this.#node = node;
    this.#loc = loc;
    this.#problems = problems;
  }

  required<T>(name: string, read: ReadField<T>): T | undefined {
    const value = entryOf(this.#node, name);
    const loc = [...this.#loc, name];
    return value === undefined
      ? note(this.#problems, "missing", loc, this.#node)
      : read(value, loc, this.#problems);
  }

  /** Absent and null are both null. */
  nullable<T>(name: string, read: ReadField<T>): T | null | undefined {
    const value = entryOf(this.#node, name);
    return value === undefined || value.kind === "null" ? null : this.required(name, read);
  }
}

/** A count or size: an integer that JavaScript holds exactly. */
function readCount(node: JsonNode, loc: Location, problems: Problems): number | undefined {
  const digits = readInteger(node, loc, problems);
  if (digits === undefined) return undefined;
  const count = Number(digits);
  return Number.isSafeInteger(count) ? count : note(problems, "int_parsing_size", loc, node);
}

function readBigInteger(node: JsonNode, loc: Location, problems: Problems): bigint | undefined {
  const digits = readInteger(node, loc, problems);
  return digits === undefined ? undefined : BigInt(digits);
}

function readNumber(node: JsonNode, loc: Location, problems: Problems): number | undefined {
  const text = readFloat(node, loc, problems);
  return text === undefined ? undefined : Number(text);
}

function readIdNumber(node: JsonNode, loc: Location, problems: Problems): number | undefined {
  const digits = readId(node, loc, problems);
  return digits === undefined ? undefined : Number(digits);
}

/** True when every field could be read; then the type says so too. */
function isComplete<T extends object>(fields: T): fields is { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.values(fields).every((value) => value !== undefined);
}

/** Counts that make a run or an environment useless when they are too small; the original takes any. */
function readPositiveCount(node: JsonNode, loc: Location, problems: Problems): number | undefined {
  const count = readCount(node, loc, problems);
  return count !== undefined && count < 1 ? noteBound(problems, "greater_than_equal", 1, loc, node) : count;
}

export type TrainerRequest = {
  registration: Registration;
  /** What the trainer calls itself (trainer-advice.ts); null = it does not say. */
  trainerKind: string | null;
};

/** POST /register. */
export function trainerRequestReader({ compat }: { compat: boolean }): ReadModel<TrainerRequest> {
  return (node, loc, problems) => {
    if (node.kind !== "object") return note(problems, "model_attributes_type", loc, node);
    const read = new FieldReader(node, loc, problems);
    const registration = {
      wandbGroup: read.required("wandb_group", readString),
      wandbProject: read.required("wandb_project", readString),
      batchSize: read.required("batch_size", compat ? readCount : readPositiveCount),
      maxTokenLength: read.required("max_token_len", readBigInteger),
      checkpointDir: read.required("checkpoint_dir", readString),
      saveCheckpointInterval: read.required("save_checkpoint_interval", readBigInteger),
      startingStep: read.required("starting_step", readCount),
      numSteps: read.required("num_steps", readBigInteger),
    };
    const trainerKind = compat ? null : read.nullable("trainer_kind", readString);
    return isComplete(registration) && trainerKind !== undefined ? { registration, trainerKind } : undefined;
  };
}

/** POST /register-env. */
export function envRequestReader({ compat }: { compat: boolean }): ReadModel<EnvRequest> {
  return (node, loc, problems) => {
    if (node.kind !== "object") return note(problems, "model_attributes_type", loc, node);
    const read = new FieldReader(node, loc, problems);
    const request = {
      maxTokenLength: read.required("max_token_length", readCount),
      desiredName: read.required("desired_name", readString),
      weight: read.required("weight", readNumber),
      groupSize: read.required("group_size", compat ? readCount : readPositiveCount),
      minBatchAllocation: read.nullable("min_batch_allocation", readNumber),
    };
    return isComplete(request) ? request : undefined;
  };
}

/** The body of POST /disconnect-env and GET /status-env. */
export const readEnvId: ReadModel<number> = (node, loc, problems) => {
  if (node.kind !== "object") return note(problems, "model_attributes_type", loc, node);
  return new FieldReader(node, loc, problems).required("env_id", readIdNumber);
};

/** The same from a query string. */
export function readQueryEnvId(value: string, problems: Problems): number | undefined {
  return readIdNumber({ kind: "string", value }, ["query", "env_id"], problems);
}

/** The body of POST /batch/ack and /batch/nack. */
export const readLeaseId: ReadModel<string> = (node, loc, problems) => {
  if (node.kind !== "object") return note(problems, "model_attributes_type", loc, node);
  return new FieldReader(node, loc, problems).required("lease_id", readString);
};

const LONGEST_LEASE_SECONDS = 86_400;

/** The seconds of GET /batch?lease=SECONDS: above 0, a day at most. */
export function readLeaseSeconds(value: string, problems: Problems): number | undefined {
  const node: JsonNode = { kind: "string", value };
  const loc = ["query", "lease"];
  const seconds = readNumber(node, loc, problems);
  if (seconds === undefined) return undefined;
  if (seconds <= 0) return noteBound(problems, "greater_than", 0, loc, node);
  if (seconds > LONGEST_LEASE_SECONDS) {
    return noteBound(problems, "less_than_equal", LONGEST_LEASE_SECONDS, loc, node);
  }
  return seconds;
}
