/**
 * Rollouts made up by fast-check and played against a segment tracker by a model that is no model: its answers
 * are what the template would write for a message, in the tokenizer's own tokens ("canonical"), or the same text
 * in other tokens, or cut off. What was sent and sampled is written down for tests to compare with.
 */
import fc from "fast-check";
import type { AssistantMessage, ChatMessage, ToolSchema } from "../../src/contracts/chat.ts";
import type { ChatFormat } from "../../src/tokens/chat-format.ts";
import type { ChatTemplate } from "../../src/tokens/chat-template.ts";
import type { ControlTokens } from "../../src/tokens/control-tokens.ts";
import type { PreparedTurn, SegmentTracker } from "../../src/tokens/segment-tracker.ts";

export type TurnScript = {
  thought: string | null;
  words: string;
  calls: { name: string; args: Record<string, string | number | null> }[];
  /** How its tokens come: as the tokenizer would have them, one by one, or cut after some of them. */
  sampling: "canonical" | "odd-tokens" | "cut";
  cutAfter: number;
  /** Answers sampled from the prompt; the agent goes on with the first. */
  samples: number;
  /** What the agent does to the answer before it hands it back. */
  handedBack: "as-is" | "reworded-json" | "without-thought";
  /** Results of calls, or the next question. */
  replies: string[];
};

export type RolloutScript = {
  system: string | null;
  question: string;
  withTools: boolean;
  turns: TurnScript[];
};

const words = fc.oneof(
  fc.constantFrom("", "ok", "Let me see.", "  spaced \n", "\n\nlines\n\n", "é ü 漢字 🙂‍↕️ ٣", 'x = {"a": 1}'),
  fc.string({ unit: "grapheme", maxLength: 30 }),
  fc.lorem({ maxCount: 12 }),
);
const toolName = fc.constantFrom("search", "run_python", "read_file");
const call = fc.record({
  name: toolName,
  args: fc.dictionary(
    fc.constantFrom("query", "path", "zeta", "count"),
    fc.oneof(words, fc.integer(), fc.constant(null)),
    { maxKeys: 3 },
  ),
});

const noCalls: TurnScript["calls"] = [];

const turnScript: fc.Arbitrary<TurnScript> = fc.record({
  thought: fc.option(
    words.map((text) => text.trim()),
    { nil: null },
  ),
  words,
  calls: fc.oneof(
    { weight: 2, arbitrary: fc.constant(noCalls) },
    fc.array(call, { minLength: 1, maxLength: 3 }),
  ),
  sampling: fc.oneof(
    { weight: 5, arbitrary: fc.constant("canonical" as const) },
    { weight: 1, arbitrary: fc.constantFrom("odd-tokens" as const, "cut" as const) },
  ),
  cutAfter: fc.integer({ min: 1, max: 12 }),
  samples: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.constant(2)),
  handedBack: fc.constantFrom("as-is", "reworded-json", "without-thought"),
  replies: fc.array(words, { minLength: 3, maxLength: 3 }),
});

export const rolloutScript: fc.Arbitrary<RolloutScript> = fc.record({
  system: fc.option(words, { nil: null }),
  question: words,
  withTools: fc.boolean(),
  turns: fc.array(turnScript, { minLength: 1, maxLength: 12 }),
});

export const demoTools: ToolSchema[] = ["search", "run_python", "read_file"].map((name) => ({
  type: "function",
  function: {
    name,
    description: `Does ${name}.`,
    parameters: { type: "object", properties: { query: { type: "string" } } },
  },
}));

export type PlayedTurn = {
  prepared: PreparedTurn;
  /** The conversation that was asked, with thoughts where agents drop them. */
  asked: ChatMessage[];
  /** Of the answer that the agent went on with. */
  sampled: number[];
  isCanonical: boolean;
};

export type PlayedRollout = {
  turns: PlayedTurn[];
  tools: ToolSchema[] /** All samples, by their unique logprob. */;
  sampledIds: Map<number, number>;
};

const signal = new AbortController().signal;

export async function playRollout(
  script: RolloutScript,
  tracker: SegmentTracker,
  { format, template }: { format: ChatFormat; template: ChatTemplate },
): Promise<PlayedRollout> {
  const tools = script.withTools ? demoTools : [];
  const start: ChatMessage[] = [{ role: "user", content: script.question }];
  if (script.system !== null) start.unshift({ role: "system", content: script.system });
  const played: PlayedRollout = { turns: [], tools, sampledIds: new Map() };
  let asked = start;
  let given = start;
  for (const [index, turn] of script.turns.entries()) {
    const prepared = await tracker.prepare({ messages: given, tools, signal });
    const written = writeAnswer(turn, index, asked, tools, { format, template });
    for (let sample = 0; sample < turn.samples; sample += 1) {
      const logprobs = written.ids.map((_, at) => -(played.sampledIds.size + at + 1) / 1_000);
      for (const [at, logprob] of logprobs.entries()) played.sampledIds.set(logprob, written.ids[at] ?? -1);
      const finishReason = written.wasCut ? "length" : "stop";
      const generation = {
        ids: written.ids,
        logprobs,
        logprobKind: "raw" as const,
        finishReason,
        stopReason: null,
      };
      tracker.commit(
        prepared,
        generation,
        sample === 0 ? written.message : { ...written.message, content: `other ${sample}` },
      );
    }
    played.turns.push({ prepared, asked, sampled: written.ids, isCanonical: written.isCanonical });
    const replies = repliesTo(written.message, turn);
    asked = [...asked, written.message, ...replies];
    given = [...given, handBack(written.message, turn.handedBack), ...replies];
  }
  return played;
}

type WrittenAnswer = { message: AssistantMessage; ids: number[]; isCanonical: boolean; wasCut: boolean };

function writeAnswer(
  turn: TurnScript,
  index: number,
  asked: ChatMessage[],
  tools: ToolSchema[],
  { format, template }: { format: ChatFormat; template: ChatTemplate },
): WrittenAnswer {
  const { tokenizer, control } = format;
  const message = answerOf(turn, index);
  const { reasoning_content: thought, ...thoughtless } = message;
  const written = templateText(message, asked, tools, { format, template });
  const bare = templateText(thoughtless, asked, tools, { format, template }) ?? turn.words + control.anyToken;
  // Where the template has no place for thinking, a model may well think all the same.
  const text = written ?? (thought === undefined ? bare : `<think>\n${thought}\n</think>\n\n${bare}`);
  const opening = tryRender(() => template.render({ messages: asked, tools, addGenerationPrompt: true }));
  const whole = written === null || opening === null ? null : tokenizer.encode(opening + text);
  const openingIds = opening === null ? [] : tokenizer.encode(opening);
  const isWhole =
    whole !== null && openingIds.every((id, at) => whole[at] === id) && whole.length > openingIds.length;
  const ids = isWhole ? whole.slice(openingIds.length) : tokenizer.encode(text);
  switch (turn.sampling) {
    case "canonical":
      return { message, ids, isCanonical: isWhole, wasCut: false };
    case "odd-tokens": {
      const end = control.textOf(ids.at(-1)) === "" ? [] : ids.slice(-1);
      const odd = [...tokenizer.decode(ids.slice(0, ids.length - end.length))].flatMap((letter) =>
        tokenizer.encode(letter),
      );
      return {
        message,
        ids: [...odd, ...(odd.length + end.length === 0 ? ids : end)],
        isCanonical: false,
        wasCut: false,
      };
    }
    case "cut": {
      const cut = ids.slice(0, turn.cutAfter);
      const wasCut = cut.length < ids.length;
      if (!wasCut) return { message, ids, isCanonical: isWhole, wasCut };
      return {
        message: { role: "assistant", content: tokenizer.decode(cut) },
        ids: cut,
        isCanonical: false,
        wasCut,
      };
    }
    default:
      return turn.sampling satisfies never;
  }
}

function answerOf({ thought, words, calls }: TurnScript, index: number): AssistantMessage {
  return {
    role: "assistant",
    content: calls.length > 0 && words === "" ? null : words,
    ...(thought !== null && { reasoning_content: thought }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ name, args }, at) => ({
        id: `call${String(index * 10 + at).padStart(5, "0")}`,
        type: "function" as const,
        function: { name, arguments: JSON.stringify(args) },
      })),
    }),
  };
}

/** What the template writes for the answer where it keeps most of it, with the token that ends it. */
function templateText(
  message: AssistantMessage,
  asked: ChatMessage[],
  tools: ToolSchema[],
  { format, template }: { format: ChatFormat; template: ChatTemplate },
): string | null {
  const opening = tryRender(() => template.render({ messages: asked, tools, addGenerationPrompt: true }));
  const next = message.tool_calls?.map(
    ({ id }): ChatMessage => ({ role: "tool", tool_call_id: id, content: "x" }),
  );
  const followed = tryRender(() =>
    template.render({
      messages: [...asked, message, ...(next ?? [{ role: "user", content: "x" }])],
      tools,
      addGenerationPrompt: true,
    }),
  );
  const last = tryRender(() =>
    template.render({ messages: [...asked, message], tools, addGenerationPrompt: false }),
  );
  const thought = message.reasoning_content ?? "";
  for (const rendered of [followed, last]) {
    if (rendered === null || opening === null || !rendered.startsWith(opening)) continue;
    const text = rendered.slice(opening.length);
    const alone = last?.startsWith(opening) ? last.slice(opening.length) : "";
    const answer = upToEnd(text, alone, format.control);
    if (answer?.includes(thought)) return answer;
  }
  return null;
}

/**
 * The answer that the text begins with. `alone` is what the template writes when nothing follows. Where it writes
 * no end, the next message's opening is taken for it.
 */
function upToEnd(text: string, alone: string, control: ControlTokens): string | null {
  if (alone !== "" && text.startsWith(alone)) {
    return control.findEnd(alone) === null
      ? alone + control.headOf(text.slice(alone.length))
      : alone.trimEnd();
  }
  const end = control.findEnd(text);
  return end === null ? null : text.slice(0, end.index + end.text.length);
}

function tryRender(render: () => string): string | null {
  try {
    return render();
  } catch {
    return null;
  }
}

function repliesTo(message: AssistantMessage, { replies }: TurnScript): ChatMessage[] {
  const calls = message.tool_calls ?? [];
  if (calls.length === 0) return [{ role: "user", content: replies[0] ?? "" }];
  return calls.map(({ id }, at) => ({ role: "tool", tool_call_id: id, content: replies[at] ?? "" }));
}

function handBack(message: AssistantMessage, how: TurnScript["handedBack"]): AssistantMessage {
  const copy: AssistantMessage = structuredClone(message);
  if (how === "as-is") return copy;
  if (how === "without-thought") {
    delete copy.reasoning_content;
    return copy;
  }
  for (const call of copy.tool_calls ?? []) {
    const entries = Object.entries(JSON.parse(call.function.arguments));
    call.function.arguments = JSON.stringify(Object.fromEntries(entries.reverse()), null, 1);
    call.id = `other-${call.id}`;
  }
  return { ...copy, content: copy.content ?? "" };
}
