/**
 * gpt-oss' Harmony, read from text with its special tokens kept (vLLM reads the token ids): messages of a header and a
 * body. A recipient makes a message a call, on any channel; analysis is reasoning; final, and commentary to nobody, are
 * content. A text that breaks off in a header or breaks the format becomes content from the last whole message on.
 */
import { pythonJsonDumps, tryPythonJsonParse } from "../src/contracts/python-json.ts";
import type { FormattableCompletion } from "../src/contracts/tool-call-parser.ts";
import {
  defineParser,
  type FoundCall,
  type FoundError,
  type Span,
  type StrictReading,
  type VllmReading,
} from "./shared/define-parser.ts";
import { argumentsValue, dumpJsonWithout } from "./shared/format-calls.ts";
import { type HarmonyHeader, parseHarmonyHeader } from "./shared/harmony-header.ts";
import { dumpJson } from "./shared/json-calls.ts";
import { pythonStrip } from "./shared/python-text.ts";
import { TagScanner } from "./shared/tag-scanner.ts";

const start = "<|start|>";
const message = "<|message|>";
const ends = ["<|end|>", "<|return|>", "<|call|>"] as const;
const tags = [start, message, ...ends, "<|channel|>", "<|constrain|>"];

export const openaiParser = defineParser({
  name: "openai",
  aliases: ["gpt-oss", "gptoss", "harmony"],
  models: "gpt-oss-20b, gpt-oss-120b",
  limits: ["Tool names with whitespace in them; content with one of the format's tags in it."],
  readAsVllm,
  readStrictly: ({ text }) => readStrictly(text),
  format: formatHarmony,
});

type Message = { header: HarmonyHeader; body: Span; raw: Span };
type Conversation = { messages: Message[]; rest: Span; problem: string | undefined };

/** The whole messages, and what cannot be read after them. The first header has lost its role to the prompt. */
function readMessages(text: string): Conversation {
  const scanner = new TagScanner(text, [message, ...ends]);
  const messages: Message[] = [];
  let position = 0;
  for (;;) {
    const stop = (problem: string | undefined): Conversation => {
      return { messages, rest: [position, text.length], problem };
    };
    const isFirst = messages.length === 0;
    if (!isFirst && position >= text.length) return stop(undefined);
    if (!isFirst && !text.startsWith(start, position)) return stop(`Expected ${start}.`);
    const headStart = isFirst ? position : position + start.length;
    const headEnd = scanner.next(headStart, [message]);
    if (headEnd === undefined) return stop(`Expected ${message} after the header.`);
    const header = parseHarmonyHeader(text.slice(headStart, headEnd.start), isFirst);
    if (typeof header === "string") return stop(header);
    const end = scanner.next(headEnd.end, ends);
    const raw: Span = [position, end?.end ?? text.length];
    messages.push({ header, body: [headEnd.end, end?.start ?? text.length], raw });
    position = raw[1];
    // The first message is there even if it is empty.
    if (position >= text.length) return stop(undefined);
  }
}

function readAsVllm(text: string): VllmReading {
  const { messages, rest, problem } = readMessages(text);
  const calls: FoundCall[] = [];
  const reasoning: string[] = [];
  const content: string[] = [];
  for (const { header, body, raw } of messages) {
    const said = text.slice(...body);
    const kind = kindOf(header);
    if (kind === "call") calls.push({ name: toolName(header), arguments: argumentsText(header, said), raw });
    else if (said !== "" && kind === "reasoning") reasoning.push(said);
    else if (said !== "" && kind === "content") content.push(said);
  }
  if (problem !== undefined && rest[0] < rest[1]) content.push(text.slice(...rest));
  return { content: content.join("\n") || null, reasoning: reasoning.join("\n") || null, calls };
}

type Kind = "call" | "reasoning" | "content" | "ignored";

function kindOf({ role, channel, recipient }: HarmonyHeader): Kind {
  if (role !== "assistant") return "ignored";
  if (recipient !== null && isFunction(recipient)) return "call";
  if (channel === "analysis") return "reasoning";
  return channel === "final" || (channel === "commentary" && recipient === null) ? "content" : "ignored";
}

/** The tools that gpt-oss has by itself are no functions. */
function isFunction(recipient: string): boolean {
  if (recipient.startsWith("functions.")) return recipient.length > "functions.".length;
  const [first = ""] = recipient.split(".", 1);
  return recipient !== "assistant" && recipient !== "" && !["python", "browser", "container"].includes(first);
}

function toolName({ recipient }: HarmonyHeader): string {
  const name = recipient ?? "";
  return name.startsWith("functions.") ? name.slice("functions.".length) : name;
}

/** JSON is written anew, in ASCII; anything else stays as it is. */
function argumentsText({ contentType }: HarmonyHeader, said: string): string {
  if (contentType !== null && !contentType.includes("json")) return said;
  const read = tryPythonJsonParse(said);
  return read.ok ? pythonJsonDumps(read.value, { ensureAscii: true }) : said;
}

/** Broken calls, calls of built-in tools and messages to nobody known stay in the content. */
function readStrictly(text: string): StrictReading {
  const { messages, rest, problem } = readMessages(text);
  const calls: FoundCall[] = [];
  const errors: FoundError[] = [];
  const reasoning: string[] = [];
  const content: string[] = [];
  for (const { header, body, raw } of messages) {
    const said = text.slice(...body);
    const kind = kindOf(header);
    if (kind === "reasoning") reasoning.push(said);
    else if (kind === "content") content.push(said);
    else if (kind === "call") {
      const read = tryPythonJsonParse(said);
      const name = toolName(header);
      if (read.ok && read.value instanceof Map) {
        calls.push({ name, arguments: dumpJson(read.value), raw });
        continue;
      }
      const reason = read.ok ? "must be a JSON object" : `are no valid JSON: ${read.message}`;
      errors.push({ reason: `The arguments of "${name}" ${reason}.`, raw });
      content.push(text.slice(...raw));
    } else content.push(text.slice(...raw));
  }
  if (problem !== undefined && rest[0] < rest[1]) {
    content.push(text.slice(...rest));
    if (text.includes("<|", rest[0])) errors.push({ reason: problem, raw: rest });
  }
  const left = pythonStrip(content.filter((part) => part !== "").join("\n"));
  return { calls, errors, content: left || null, reasoning: reasoning.join("\n") || null };
}

/** The prompt ends with `<|start|>assistant`. */
function formatHarmony({ content, toolCalls }: FormattableCompletion): string {
  if (toolCalls.length === 0) return content ? `<|channel|>final${message}${content}<|return|>` : "";
  const messages = toolCalls.map((call) => {
    const json = dumpJsonWithout(argumentsValue(call.arguments), tags);
    return `<|channel|>commentary to=functions.${call.name} <|constrain|>json${message}${json}<|call|>`;
  });
  if (content) messages.unshift(`<|channel|>commentary${message}${content}<|end|>`);
  return messages.join(`${start}assistant`);
}
