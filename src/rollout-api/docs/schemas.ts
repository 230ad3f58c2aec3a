/** JSON schemas of what the wire carries; those of groups come from the one table of their fields. */
import { type FieldKind, groupFields } from "../group-fields.ts";

export type Schema = { readonly [key: string]: unknown };

const integer = (description: string): Schema => ({ type: "integer", description });
const number = (description: string): Schema => ({ type: "number", description });
const string = (description: string): Schema => ({ type: "string", description });
const object = (properties: Record<string, Schema>, required = Object.keys(properties)): Schema => ({
  type: "object",
  required,
  properties,
});
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }], default: null });
const listOf = (items: Schema): Schema => ({ type: "array", items });

function fieldSchema(kind: FieldKind): Schema {
  switch (kind.type) {
    case "integers":
      return nested({ type: "integer" }, kind.depth);
    case "floats":
      return nested({ type: "number" }, kind.depth);
    case "messages":
      return listOf(listOf({ type: "object", required: ["role", "content"] }));
    case "object":
      return { type: "object" };
    case "objects":
      return listOf({ type: "object" });
    case "any":
      return {};
    case "id":
      return { type: "integer", minimum: 0 };
    default:
      return kind satisfies never;
  }
}

function nested(element: Schema, depth: number): Schema {
  return depth === 0 ? element : listOf(nested(element, depth - 1));
}

/** One entry for each sequence of the group, where a field is a list of lists. */
const fieldNotes: Readonly<Record<string, string>> = {
  tokens: "Token ids, one list a sequence. The number of lists is the group's size",
  masks: "The token where it is trained on, -100 where not; as long as tokens",
  scores: "The reward of each sequence; finite",
  advantages: "One a token; a trainer takes them in place of the scores",
  ref_logprobs: "Of a reference model, one a token",
  messages: "The conversations that the tokens stand for",
  generation_params: "How it was sampled, e.g. temperature, weight_version",
  inference_logprobs: "Of the sampling model, one a token; 1.0 where none was sampled",
  overrides: "Settings of single sequences, e.g. set_advantage_to_zero, weight_version",
  group_overrides: "Settings of the group, e.g. weight_version: the trainer's step whose weights sampled it",
  images: "Any JSON",
  env_id: "From POST /register-env",
  distill_token_ids: "A teacher's most likely tokens: lists of lists of lists",
  distill_logprobs: "Their log probabilities",
};

const registrationProperties = {
  wandb_group: string("Told to environments"),
  wandb_project: string("Told to environments"),
  batch_size: integer("Sequences in a batch"),
  max_token_len: integer("Longest sequence that the trainer takes, in tokens"),
  checkpoint_dir: string("Told to environments"),
  save_checkpoint_interval: integer("In steps"),
  starting_step: integer("Where the run's steps begin"),
  num_steps: integer("Length of the run; -1 = open"),
};

const groupProperties = Object.fromEntries(
  groupFields.map(({ name, kind, required }) => {
    const schema = { ...fieldSchema(kind), description: fieldNotes[name] };
    return [name, required ? schema : orNull(schema)];
  }),
);

export const schemas: Readonly<Record<string, Schema>> = {
  ScoredGroup: object(
    {
      ...groupProperties,
      group_id: orNull(string("The sender's name for the group: sent again under it, it counts once")),
    },
    groupFields.filter(({ required }) => required).map(({ name }) => name),
  ),
  Registration: object(
    {
      ...registrationProperties,
      trainer_kind: orNull(string("Which trainer it is; it is told what it can't train rightly")),
    },
    Object.keys(registrationProperties),
  ),
  EnvRequest: object(
    {
      max_token_length: integer("Longest sequence that the environment sends, in tokens"),
      desired_name: string("The run's name for it is this and a number"),
      weight: number("Its share of the run, beside the others' weights"),
      group_size: integer("Sequences in its groups"),
      min_batch_allocation: orNull(number("Smallest share of every batch, 0 to 1")),
    },
    ["max_token_length", "desired_name", "weight", "group_size"],
  ),
  EnvId: object({ env_id: { type: "integer", minimum: 0 } }),
  LeaseId: object({ lease_id: string("From GET /batch?lease=SECONDS") }),
  Problems: object({
    detail: listOf(
      object({
        type: string("Kind of the problem"),
        loc: listOf({ type: ["string", "integer"] }),
        msg: string("What is wrong"),
        input: { description: "The offending value" },
      }),
    ),
  }),
  Refusal: object({ detail: string("Why") }),
};
