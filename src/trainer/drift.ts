/**
 * How far recomputed log-probabilities lie from those that were sent. Under the weights that sampled they differ by
 * rounding alone, so more than that means that tokens, masks or log-probabilities are not what they claim to be.
 * Sequences of the newest weights are compared with the training pass itself; of older ones a few are recomputed
 * with the weights of their version, which are kept for as long as sequences of theirs may be trained. Sequences that
 * don't say what sampled them are taken for those of the newest.
 */
import type { PolicyWeights } from "../tiny-policy/weights-file.ts";
import type { PolicySequence } from "./batch.ts";
import type { GradientPool } from "./gradient-pool.ts";

/** `sequence` counts those that were trained in this step. */
export type Drift = { value: number; sequence: number; position: number; sent: number; recomputed: number };

export class DriftMeter {
  readonly #kept = new Map<number, Float32Array>();
  readonly #options: { pool: GradientPool; samples: number; maxKept: number };

  /** `samples`: sequences of older weights per step. `maxKept`: versions whose weights are kept. */
  constructor(options: { pool: GradientPool; samples: number; maxKept: number }) {
    this.#options = options;
  }

  /** Tells of weights that sequences will be sampled with. */
  keep({ version, weights }: PolicyWeights): void {
    if (this.#options.samples === 0) return;
    this.#kept.set(version, weights);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#options.maxKept) break;
      this.#kept.delete(oldest);
    }
  }

  /** The largest drift of a step that trained the weights of `version`; null = nothing can be compared. */
  async measure(
    sequences: readonly PolicySequence[],
    {
      logprobs,
      version,
      signal,
    }: { logprobs: readonly Float32Array[]; version: number; signal: AbortSignal },
  ): Promise<Drift | null> {
    let worst: Drift | null = null;
    const compare = (
      index: number,
      sequence: PolicySequence,
      recomputed: Float32Array,
      sampledBy: number,
    ) => {
      for (const [at, sent] of sequence.sampledLogprobs.entries()) {
        if ((sequence.versions?.[at] ?? sampledBy) !== sampledBy) continue;
        const now = recomputed[at] ?? Number.NaN;
        const value = Math.abs(now - sent);
        // Written so that a NaN counts as the worst.
        if (worst === null || !(value <= worst.value)) {
          const position = sequence.positions[at] ?? 0;
          worst = { value, sequence: index, position, sent, recomputed: now };
        }
      }
    };
    for (const [index, sequence] of sequences.entries()) {
      compare(index, sequence, logprobs[index] ?? new Float32Array(), version);
    }
    for (const [older, members] of this.#choose(sequences, version)) {
      const weights = this.#kept.get(older);
      if (weights === undefined) continue;
      const chosen = members.map(({ sequence }) => sequence);
      const scores = await this.#options.pool.run(chosen, { weights, objective: { kind: "score" }, signal });
      for (const [at, { index, sequence }] of members.entries()) {
        compare(index, sequence, scores.logprobs[at] ?? new Float32Array(), older);
      }
    }
    return worst;
  }

  /** The first few sequences that older weights had a part in, by that version. */
  #choose(sequences: readonly PolicySequence[], version: number) {
    const chosen = new Map<number, { index: number; sequence: PolicySequence }[]>();
    let left = this.#options.samples;
    for (const [index, sequence] of sequences.entries()) {
      const older = sequence.versions?.find((each) => each !== version && this.#kept.has(each));
      if (older === undefined) continue;
      if (left === 0) break;
      left -= 1;
      const members = chosen.get(older) ?? [];
      members.push({ index, sequence });
      chosen.set(older, members);
    }
    return chosen;
  }
}
