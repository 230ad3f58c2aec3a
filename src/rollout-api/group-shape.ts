/**
 * Whether the lists of a group fit together: one entry per sequence, one number per token. The original takes
 * anything and leaves it to trainers to fall over a ragged group, hours later.
 *
 * Both readers of groups record the same shape while they read, and this one rule judges it. `[]` where a
 * field is optional means that it is absent: the original's environments send that.
 */
import { type GroupField, groupFields } from "./group-fields.ts";
import type { Location, Problems } from "./validation.ts";

/** How long one field's lists are, from the outside in. */
class FieldShape {
  /** Entries; undefined = the field is absent or null, or has no length. */
  count: number | undefined;
  /** Numbers (or lists of numbers) per sequence. */
  readonly lengths: number[] = [];
  /** Of lists three deep: numbers per position, all sequences in a row. */
  readonly depths: number[] = [];

  clear(): void {
    this.count = undefined;
    this.lengths.length = 0;
    this.depths.length = 0;
  }
}

/** Reusable: clear it before each group. */
export class GroupShape {
  readonly #fields = new Map(groupFields.map((field) => [field.name, new FieldShape()]));
  readonly #known = groupFields.filter(({ kind }) => kind.type !== "any");

  clear(): void {
    for (const field of this.#fields.values()) field.clear();
  }

  /** Where to record the lengths of a field. */
  of(field: GroupField): FieldShape {
    const shape = this.#fields.get(field.name);
    if (shape === undefined) throw new RangeError(`${field.name} is no field of a group`);
    return shape;
  }

  /** Notes what does not fit; the shape must be complete. */
  check(loc: Location, problems: Problems): void {
    const tokens = this.#fields.get("tokens");
    if (tokens?.count === undefined) return;
    if (tokens.count === 0) {
      problems.push({
        type: "too_short",
        loc: [...loc, "tokens"],
        msg: "List should have at least 1 item after validation, not 0",
        input: "[]",
        ctx: '{"field_type":"List","min_length":1,"actual_length":0}',
      });
      return;
    }
    for (const field of this.#known) {
      if (field.name !== "tokens") checkField(field, this.of(field), tokens, [...loc, field.name], problems);
    }
    this.#checkDistilled(loc, problems);
  }

  /** Each position has as many teacher's tokens as log-probabilities. */
  #checkDistilled(loc: Location, problems: Problems): void {
    const ids = this.#fields.get("distill_token_ids");
    const logprobs = this.#fields.get("distill_logprobs");
    if (!ids?.count || !logprobs?.count || ids.depths.length !== logprobs.depths.length) return;
    const at = ids.depths.findIndex((depth, position) => depth !== logprobs.depths[position]);
    if (at === -1) return;
    const lengths = { expected: ids.depths[at] ?? 0, actual: logprobs.depths[at] ?? 0 };
    noteLength(problems, [...loc, "distill_logprobs"], lengths, "one per token id of its position");
  }
}

function checkField(
  { required }: GroupField,
  shape: FieldShape,
  tokens: FieldShape,
  loc: Location,
  problems: Problems,
): void {
  const { count, lengths } = shape;
  if (count === undefined || (count === 0 && !required)) return;
  if (count !== tokens.count) {
    noteLength(problems, loc, { expected: tokens.count ?? 0, actual: count }, "one per sequence");
    return;
  }
  for (const [sequence, actual] of lengths.entries()) {
    const expected = tokens.lengths[sequence] ?? 0;
    if (actual !== expected) {
      noteLength(problems, [...loc, sequence], { expected, actual }, "one per token of the sequence");
    }
  }
}

/** Its input is the length that was found: a list of thousands of numbers says no more. */
function noteLength(
  problems: Problems,
  loc: Location,
  { expected, actual }: { expected: number; actual: number },
  why: string,
): void {
  problems.push({
    type: "length_mismatch",
    loc,
    msg: `List should have ${expected} items, ${why}, not ${actual}`,
    input: String(actual),
    ctx: `{"expected_length":${expected},"actual_length":${actual}}`,
  });
}
