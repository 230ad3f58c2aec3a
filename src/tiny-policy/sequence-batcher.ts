/**
 * Continuous batching over a Decoder: sequences join and leave between any two steps, and each step reads one token
 * of every running sequence, or the prompt of one that has just begun.
 *
 * A sequence runs in a slot. When it has ended, its slot keeps what it has read until somebody else needs it: the
 * session's next turn, whose prompt goes on from there, reads only what is new.
 *
 * What a sequence becomes depends on its prompt, its settings, its seed and the weights; not on what runs beside it.
 */
import { seededRandom } from "../practice/seeded-random.ts";
import { Decoder, type DecoderRow } from "./engine/decoder.ts";
import { type ChoiceSettings, type TokenChoice, TokenChooser } from "./engine/token-chooser.ts";
import type { PolicyWeights } from "./weights-file.ts";

export type SampleJob = ChoiceSettings & {
  /** The caller's number for it. */
  job: number;
  /** Whose slots may hold a part of the prompt already. */
  session: string;
  /** At least one, and fewer than the context holds. */
  inputIds: readonly number[];
  /** One sequence for each. */
  seeds: readonly number[];
  /** Null = as many as the context holds. */
  maxTokens: number | null;
  stop: readonly string[];
  stopTokenIds: readonly number[];
  /** How many of the likeliest tokens to tell beside each sampled one. */
  topLogprobs: number;
};

export type SampledTokens = {
  /** With the token that ended it. */
  ids: number[];
  logprobs: number[];
  /** For each id, the likeliest tokens; empty lists unless asked for. */
  likeliest: TokenChoice[][];
  finish: "stop" | "length";
  /** The stop string or stop token that was met; null for EOS and for a limit. */
  stopReason: string | number | null;
  /** Of the weights: none change while a sequence runs. */
  version: number;
};

export type FinishedJob = { job: number; sequences: SampledTokens[] };

export type BatcherStatistics = {
  running: number;
  waiting: number;
  /** Since the start. */
  sampledTokens: number;
  /** Of prompts. */
  readTokens: number;
  /** Of prompts, found in a slot. */
  cachedTokens: number;
  steps: number;
};

type Slot = { index: number; held: number[]; session: string | null; usedAt: number; isBusy: boolean };

type Sequence = {
  job: SampleJob;
  index: number;
  slot: Slot;
  /** Prompt and what was sampled. */
  tokens: number[];
  /** Tokens that it may have in all. */
  limit: number;
  random: () => number;
  logprobs: number[];
  likeliest: TokenChoice[][];
};

type Ending = Pick<SampledTokens, "finish" | "stopReason">;
type OpenJob = { left: number; sequences: SampledTokens[] };

/** Rows of one step: bounds its memory and how long others wait for a long prompt. */
const mostRows = 1024;

export class SequenceBatcher {
  readonly #decoder: Decoder;
  readonly #chooser: TokenChooser;
  readonly #slots: Slot[];
  readonly #eosId: number | null;
  readonly #decode: (ids: readonly number[]) => string;
  readonly #mostRows: number;
  readonly #waiting: { job: SampleJob; index: number }[] = [];
  readonly #jobs = new Map<number, OpenJob>();
  #running: Sequence[] = [];
  /** What is to be done when nothing runs. */
  readonly #changes: (() => void)[] = [];
  #isPaused = false;
  #version: number;
  #sampledTokens = 0;
  #readTokens = 0;
  #cachedTokens = 0;
  #steps = 0;

  constructor(
    { config, weights, version }: PolicyWeights,
    options: {
      slots: number;
      eosId: number | null;
      /** For stop strings. */
      decode: (ids: readonly number[]) => string;
      rowsPerStep?: number;
    },
  ) {
    this.#decoder = new Decoder(config, weights, { slots: options.slots });
    this.#chooser = new TokenChooser(config.vocabulary_size);
    this.#slots = Array.from({ length: options.slots }, (_, index) => ({
      index,
      held: [],
      session: null,
      usedAt: 0,
      isBusy: false,
    }));
    this.#eosId = options.eosId;
    this.#decode = options.decode;
    this.#mostRows = options.rowsPerStep ?? mostRows;
    this.#version = version;
  }

  /** Whether `step` has anything to do. */
  get hasWork(): boolean {
    return this.#running.length + this.#changes.length > 0 || (this.#waiting.length > 0 && !this.#isPaused);
  }

  statistics(): BatcherStatistics {
    return {
      running: this.#running.length,
      waiting: this.#waiting.length,
      sampledTokens: this.#sampledTokens,
      readTokens: this.#readTokens,
      cachedTokens: this.#cachedTokens,
      steps: this.#steps,
    };
  }

  add(job: SampleJob): void {
    this.#jobs.set(job.job, { left: job.seeds.length, sequences: [] });
    for (const index of job.seeds.keys()) this.#waiting.push({ job, index });
  }

  /** Nothing more is heard of the job. */
  cancel(job: number): void {
    if (!this.#jobs.delete(job)) return;
    const waiting = this.#waiting.filter((one) => one.job.job !== job);
    this.#waiting.splice(0, this.#waiting.length, ...waiting);
    for (const sequence of this.#running) if (sequence.job.job === job) this.#leave(sequence);
    this.#running = this.#running.filter((sequence) => sequence.job.job !== job);
  }

  /** What runs ends on the old weights, what waits begins on the new ones. */
  changeWeights(weights: Float32Array, version: number, done: () => void): void {
    this.#changes.push(() => {
      this.#decoder.setWeights(weights);
      this.#version = version;
      for (const slot of this.#slots) Object.assign(slot, { held: [], session: null });
      done();
    });
  }

  /** Nothing begins until `resume`; `done` once nothing runs any more. */
  pause(done: () => void): void {
    this.#isPaused = true;
    this.#changes.push(done);
  }

  resume(): void {
    this.#isPaused = false;
  }

  /** Reads and samples once for everything that runs; answers the jobs that are done with it. */
  step(): FinishedJob[] {
    if (this.#running.length === 0) for (const change of this.#changes.splice(0)) change();
    if (this.#changes.length === 0 && !this.#isPaused) this.#admit();
    if (this.#running.length === 0) return [];
    this.#steps += 1;
    const { rows, wanted, askers } = this.#rows();
    const logits = this.#decoder.read(rows, wanted);
    const ended = new Set<Sequence>();
    const finished: FinishedJob[] = [];
    for (const [place, sequence] of askers.entries()) {
      const row = logits[place];
      const ending = row && this.#sample(sequence, row);
      if (!ending) continue;
      ended.add(sequence);
      this.#leave(sequence);
      finished.push(...this.#collect(sequence, ending));
    }
    if (ended.size > 0) this.#running = this.#running.filter((sequence) => !ended.has(sequence));
    return finished;
  }

  #admit(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const { job, index } = next;
      const slot = this.#freeSlot(job);
      if (slot === undefined) return;
      this.#waiting.shift();
      // The last token is read in any case: it is the one that says what comes next.
      const known = Math.min(commonLength(slot.held, job.inputIds), job.inputIds.length - 1);
      slot.held.length = known;
      slot.session = job.session;
      slot.isBusy = true;
      this.#cachedTokens += known;
      this.#readTokens += job.inputIds.length - known;
      const room = this.#decoder.config.context_length - job.inputIds.length;
      this.#running.push({
        job,
        index,
        slot,
        tokens: [...job.inputIds],
        limit: job.inputIds.length + Math.min(job.maxTokens ?? room, room),
        random: seededRandom(job.seeds[index] ?? 0),
        logprobs: [],
        likeliest: [],
      });
    }
  }

  /** The session's own that holds most of the prompt, else the one that was left longest ago. */
  #freeSlot({ session, inputIds }: SampleJob): Slot | undefined {
    let best: Slot | undefined;
    let most = 0;
    let oldest: Slot | undefined;
    for (const slot of this.#slots) {
      if (slot.isBusy) continue;
      if (oldest === undefined || slot.usedAt < oldest.usedAt) oldest = slot;
      const known = slot.session === session ? commonLength(slot.held, inputIds) : 0;
      if (known > most) [best, most] = [slot, known];
    }
    return best ?? oldest;
  }

  #rows(): { rows: DecoderRow[]; wanted: number[]; askers: Sequence[] } {
    const rows: DecoderRow[] = [];
    const wanted: number[] = [];
    const askers: Sequence[] = [];
    for (const sequence of this.#running) {
      const { slot, tokens } = sequence;
      const end = Math.min(tokens.length, slot.held.length + this.#mostRows - rows.length);
      for (const token of tokens.slice(slot.held.length, end)) {
        rows.push({ slot: slot.index, position: slot.held.length, token });
        slot.held.push(token);
      }
      if (slot.held.length < tokens.length) break;
      wanted.push(rows.length - 1);
      askers.push(sequence);
    }
    return { rows, wanted, askers };
  }

  /** Null = it goes on. */
  #sample(sequence: Sequence, logits: Float32Array): Ending | null {
    const { job, tokens, random } = sequence;
    const { id, logprob } = this.#chooser.choose(logits, job, { seen: tokens, random });
    sequence.likeliest.push(job.topLogprobs > 0 ? this.#chooser.likeliest(logits, job.topLogprobs) : []);
    sequence.logprobs.push(logprob);
    tokens.push(id);
    this.#sampledTokens += 1;
    if (id === this.#eosId) return { finish: "stop", stopReason: null };
    if (job.stopTokenIds.includes(id)) return { finish: "stop", stopReason: id };
    const stop = job.stop.length > 0 ? this.#stopIn(sequence) : undefined;
    if (stop !== undefined) return { finish: "stop", stopReason: stop };
    return tokens.length >= sequence.limit ? { finish: "length", stopReason: null } : null;
  }

  #stopIn({ job, tokens }: Sequence): string | undefined {
    const text = this.#decode(tokens.slice(job.inputIds.length));
    return job.stop.find((stop) => text.includes(stop));
  }

  #leave({ slot }: Sequence): void {
    slot.isBusy = false;
    slot.usedAt = this.#steps;
  }

  #collect({ job, index, tokens, logprobs, likeliest }: Sequence, ending: Ending): FinishedJob[] {
    const open = this.#jobs.get(job.job);
    if (open === undefined) return [];
    const ids = tokens.slice(job.inputIds.length);
    open.sequences[index] = { ids, logprobs, likeliest, ...ending, version: this.#version };
    open.left -= 1;
    if (open.left > 0) return [];
    this.#jobs.delete(job.job);
    return [{ job: job.job, sequences: open.sequences }];
  }
}

function commonLength(left: readonly number[], right: readonly number[]): number {
  let length = 0;
  while (length < left.length && length < right.length && left[length] === right[length]) length += 1;
  return length;
}
