/** The teacher behind a tokenizer: answers prompts with sampled ids, as an inference engine would. */
import { pythonJsonDumps, pythonJsonParse } from "../contracts/python-json.ts";
import { type AnswerFault, spoil } from "./answer-faults.ts";
import type { ConversationFormat, PromptReading, PromptThinking } from "./conversation-format.ts";
import type { PlayedTurn, PracticePlayer } from "./practice-player.ts";
import { seededRandom } from "./seeded-random.ts";
import { thoughtsOf } from "./thinking.ts";
import type { SampledSequence, SamplingRequest, TokenSampler } from "./token-sampler.ts";
import type { WeightVersion } from "./weight-version.ts";

export type TokenQuestion = {
  promptIds: readonly number[];
  /** What the prompt says. */
  reading: PromptReading;
  sampling: SamplingRequest;
  sessionId: string | null;
  processedLogprobs: boolean;
  fault: AnswerFault | null;
};

export type SampledAnswer = {
  sequences: SampledSequence[];
  /** What each sequence was made from; a faulty answer may have fewer or more sequences. */
  turns: PlayedTurn[];
  /** Number of the task, null when unknown. */
  task: number | null;
  weightVersion: string;
};

export type PromptScoring = {
  sampling: SamplingRequest;
  processedLogprobs: boolean;
  /** How many rivals of each token are wanted. */
  top: number;
  fault: AnswerFault | null;
};

export class TokenPlayer {
  readonly sampler: TokenSampler;
  readonly format: ConversationFormat;
  readonly weightVersion: WeightVersion;
  readonly #player: PracticePlayer;
  readonly #seed: number;
  readonly #thinkingRate: number;
  #sampled = 0;

  constructor(options: {
    player: PracticePlayer;
    sampler: TokenSampler;
    format: ConversationFormat;
    weightVersion: WeightVersion;
    seed: number;
    thinkingRate: number;
  }) {
    this.#player = options.player;
    this.sampler = options.sampler;
    this.format = options.format;
    this.weightVersion = options.weightVersion;
    this.#seed = options.seed;
    this.#thinkingRate = options.thinkingRate;
  }

  answer({
    promptIds,
    reading,
    sampling,
    sessionId,
    processedLogprobs,
    fault,
  }: TokenQuestion): SampledAnswer {
    const { messages, tools, thinking } = reading;
    const { n: count, seed } = sampling;
    const greedy = sampling.temperature === 0;
    const weightVersion = this.weightVersion.next();
    const request = { messages, tools, count, sessionId, seed, greedy };
    const played = this.#player.play(request);
    const sequences = played.turns.map((turn, index) => {
      const text = this.#write(turn, reading);
      const sequence = this.sampler.sample({
        promptIds,
        text,
        sampling,
        seed: this.#seedOf(sampling, index),
        processedLogprobs,
        weightVersion,
      });
      this.#player.answered(request, played, turn, this.messageOf(sequence, thinking));
      return sequence;
    });
    const random = seededRandom(this.#seed ^ Math.imul(this.#sampled, 0x632be59b));
    const told = fault ? spoil(sequences, fault, { sampler: this.sampler, sampling, random }) : sequences;
    return { sequences: told, turns: played.turns, task: played.task, weightVersion };
  }

  /** What the model gives to each id of a prompt after those before it; undefined where a fault drops it. */
  scorePrompt(promptIds: readonly number[], { sampling, processedLogprobs, top, fault }: PromptScoring) {
    if (fault === "dropped-logprobs") return undefined;
    const temperature = processedLogprobs ? sampling.temperature : null;
    const weightVersion = this.weightVersion.current;
    const scored = this.sampler.scorePrompt({ ids: promptIds, weightVersion, temperature, rivals: top });
    return fault === "unequal-lengths" ? scored.slice(0, -1) : scored;
  }

  /** What a parser makes of the sampled ids. */
  messageOf({ ids }: SampledSequence, thinking: PromptThinking) {
    const answer = ids.at(-1) === this.sampler.eosId ? ids.slice(0, -1) : ids;
    return this.format.readAnswer(this.sampler.tokenizer.decode(answer), thinking);
  }

  #write(turn: PlayedTurn, { messages, thinking }: PromptReading): string {
    const seed = turn.fate?.seed ?? this.#seed;
    const rate = thinking === "off" ? 0 : this.#thinkingRate;
    const toolCalls = turn.calls.map((call) => ({
      name: call.name,
      // Models are trained on Python's spelling of JSON.
      arguments: pythonJsonDumps(pythonJsonParse(JSON.stringify(call.arguments))),
    }));
    const thoughts = thoughtsOf({ messages, turn, seed, rate });
    return this.format.writeAnswer({ thoughts, thinking, content: turn.content, toolCalls });
  }

  /** Of one sequence: the same again for the same request where a real engine would sample the same. */
  #seedOf({ seed, temperature }: SamplingRequest, index: number): number {
    this.#sampled += 1;
    if (temperature === 0) return this.#seed;
    const base = seed === null ? this.#sampled : ~(seed + index);
    return Math.imul(this.#seed + 1, 0x9e3779b1) ^ Math.imul(base, 0x85ebca6b);
  }
}
